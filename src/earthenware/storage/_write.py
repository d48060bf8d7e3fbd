"""Writing and removing; every write is whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from datetime import date
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from earthenware.storage._explain import ConflictError, explained, no_such_bucket
from earthenware.storage._local import link_file, move_into_place, replace_file, temporary_beside, walk, write_file
from earthenware.storage._names import is_local, join, local_path, redact
from earthenware.storage._read import list_files
from earthenware.storage._remote import locate, refuse_web

if TYPE_CHECKING:
    import pyarrow as pa


def write_bytes(uri: str, data: bytes, *, create_only: bool = False) -> None:
    """Write an object whole.

    Args:
        uri: Where to.
        data: The bytes.
        create_only: Write only if nothing is there; of several writers exactly one succeeds. When the answer of a
            remote store is lost on the way, a writer may fail although its own bytes are the ones that were stored.

    Raises:
        FileExistsError: ``create_only`` was given and the object exists.
        EarthenwareError: ``READ_ONLY`` for http(s), ``STORAGE_*`` when the store refuses.
    """
    refuse_web(uri)
    with explained("write", uri):
        if is_local(uri):
            write_file(local_path(uri), data, create_only=create_only)
            return
        import obstore
        from obstore.exceptions import AlreadyExistsError

        store, key = locate(uri)
        try:
            obstore.put(store, key, data, mode="create" if create_only else "overwrite")
        except AlreadyExistsError:
            raise FileExistsError(errno.EEXIST, "There is such an object", redact(uri)) from None


def replace(uri: str, data: bytes, version: str) -> str:
    """Overwrite an object only if it is still at ``version``; return the new version.

    Raises:
        ConflictError: Somebody else wrote or removed it, or the store's answer to this very write was lost.
    """
    refuse_web(uri)
    with explained("replace", uri):
        if is_local(uri):
            return replace_file(local_path(uri), data, version)
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store, key = locate(uri)
        try:
            return str(obstore.put(store, key, data, mode={"e_tag": version})["e_tag"])
        except (PreconditionError, AlreadyExistsError, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise no_such_bucket(uri) from None
            raise ConflictError(redact(uri)) from None


def _plain(value: Any) -> Any:
    """Turn what JSON lacks into what it has; anything but names, times and NumPy numbers is a mistake."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def write_json(uri: str, value: Any, *, create_only: bool = False, sort_keys: bool = True) -> None:
    """Write a JSON document, with its keys sorted or in their order; see :func:`write_bytes`."""
    data = json.dumps(value, indent=2, sort_keys=sort_keys, allow_nan=False, default=_plain).encode() + b"\n"
    write_bytes(uri, data, create_only=create_only)


def write_table(table: pa.Table, uri: str, **options: Any) -> None:
    """Write a table as one Parquet file (zstd, and checksums, unless ``options`` say otherwise)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"compression": "zstd", "write_page_checksum": True, **options})
    write_bytes(uri, sink.getvalue().to_pybytes())


def upload_file(local: Path, uri: str) -> None:
    """Copy a local file to ``uri``, whole or not at all."""
    refuse_web(uri)
    with explained("write", uri):
        if is_local(uri):
            target = local_path(uri)
            temporary = temporary_beside(target)
            try:
                shutil.copyfile(local, temporary)
                move_into_place(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
            return
        import obstore

        local.stat()  # obstore does not say which file it misses
        store, key = locate(uri)
        obstore.put(store, key, local)  # multipart above a threshold; visible only when complete


def copy_file(source: str, target: str) -> None:
    """Give an object a second name in the same store, whole or not at all.

    On this machine's file system it is one file with two names, in S3 a copy that the store makes by itself, which it
    does for objects up to 5 GB.
    """
    refuse_web(target)
    with explained("copy", target):
        if is_local(source):
            link_file(local_path(source), local_path(target))
            return
        import obstore

        store, key = locate(source)
        obstore.copy(store, key, locate(target)[1])


def upload_tree(local: Path, uri: str) -> None:
    """Copy every file below ``local`` to the same relative path below ``uri``."""
    for path in sorted(walk(local)):
        upload_file(path, join(uri, path.relative_to(local).as_posix()))


def delete_file(uri: str) -> None:
    """Remove one object; nothing happens where there is none."""
    refuse_web(uri)
    with contextlib.suppress(FileNotFoundError), explained("delete", uri):
        if is_local(uri):
            local_path(uri).unlink()
        else:
            import obstore

            store, key = locate(uri)
            obstore.delete(store, key)


def delete_prefix(uri: str) -> None:
    """Remove every object below ``uri``."""
    refuse_web(uri)
    if is_local(uri):
        with contextlib.suppress(FileNotFoundError), explained("delete", uri):
            shutil.rmtree(local_path(uri))
        return
    files = list(list_files(uri))
    with explained("delete", uri):
        import obstore

        store, key = locate(uri)
        if files:
            obstore.delete(store, [f"{key}/{file}" if key else file for file in files])
