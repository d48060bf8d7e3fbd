"""URIs to readers and writers: local paths, ``file://``, ``s3://`` and read-only ``http(s)://``.

Every write is atomic: a reader sees the old bytes or the new ones. Two writes are conditional, and a lease is built
from them: :func:`write_bytes` with ``create_only`` and :func:`replace`. S3 endpoints and credentials come from the
usual environment (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...), never from a URI. A store that does not answer is
given up after ``EARTHENWARE_STORE_SECONDS`` (default 40).
"""

from __future__ import annotations

from earthenware.storage._access import Access, access, own_access
from earthenware.storage._buckets import ensure_bucket
from earthenware.storage._explain import ConflictError, full_disk_explained
from earthenware.storage._geoparquet import geo_metadata
from earthenware.storage._names import is_local, is_web, join, local_path, name, normalise, parent, redact, redact_text
from earthenware.storage._read import (
    download_file,
    exists,
    is_empty,
    list_files,
    list_prefixes,
    read_bytes,
    read_json,
    read_ranges,
    read_table,
    read_tail,
    read_versioned,
    size,
)
from earthenware.storage._remote import object_store
from earthenware.storage._write import (
    copy_file,
    delete_file,
    delete_prefix,
    replace,
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
    "download_file",
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
    "object_store",
    "own_access",
    "parent",
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
    "upload_file",
    "upload_tree",
    "write_bytes",
    "write_json",
    "write_table",
]
