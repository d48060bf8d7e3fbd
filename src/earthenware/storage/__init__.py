"""URIs to readers and writers: local paths, ``file://``, ``s3://`` and read-only ``http(s)://``.

Every write is atomic: a reader sees the old bytes or the new ones. Two writes are conditional, and a lease is built
from them: :func:`write_bytes` with ``create_only`` and :func:`replace`. S3 endpoints and credentials come from the
usual environment (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...), never from a URI. A store that does not answer is
given up after ``EARTHENWARE_STORE_SECONDS`` (default 40).

What is read and not there raises ``FileNotFoundError``. All else that goes wrong is an ``EarthenwareError`` that names
the URI: ``STORAGE_DENIED``, ``STORAGE_FULL`` or ``STORAGE_FAILED``, ``NO_SUCH_BUCKET``, ``BAD_URI``; on the web
``READ_ONLY`` for what writes and ``NOT_LISTABLE`` for what lists.
"""

from __future__ import annotations

from earthenware.errors import redact, redact_text
from earthenware.storage._explain import ConflictError, full_disk_explained, system_error
from earthenware.storage._names import is_local, is_web, join, local_path, name, normalise, parent
from earthenware.storage._read import (
    exists,
    is_empty,
    list_files,
    list_prefixes,
    parse_json,
    parse_table,
    read_bytes,
    read_json,
    read_ranges,
    read_table,
    read_tail,
    read_versioned,
    size,
)
from earthenware.storage._remote import Access, access, ensure_bucket, own_access
from earthenware.storage._write import (
    copy_file,
    delete_file,
    delete_prefix,
    geo_metadata,
    replace,
    table_bytes,
    upload_file,
    upload_tree,
    write_bytes,
    write_json,
    write_table,
)

__all__ = [
    "Access",
    "ConflictError",
    "access",
    "copy_file",
    "delete_file",
    "delete_prefix",
    "ensure_bucket",
    "exists",
    "full_disk_explained",
    "geo_metadata",
    "is_empty",
    "is_local",
    "is_web",
    "join",
    "list_files",
    "list_prefixes",
    "local_path",
    "name",
    "normalise",
    "own_access",
    "parent",
    "parse_json",
    "parse_table",
    "read_bytes",
    "read_json",
    "read_ranges",
    "read_table",
    "read_tail",
    "read_versioned",
    "redact",
    "redact_text",
    "replace",
    "size",
    "system_error",
    "table_bytes",
    "upload_file",
    "upload_tree",
    "write_bytes",
    "write_json",
    "write_table",
]
