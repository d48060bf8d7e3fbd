"""Writing and removing; every write is whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earthenware.errors import redact
from earthenware.storage._explain import ConflictError, explained, no_such_bucket
from earthenware.storage._local import complete, link_file, replace_file, walk, write_file
from earthenware.storage._names import is_local, join, local_path
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
    """
    refuse_web(uri)
    with explained("write", uri):
        if is_local(uri):
            write_file(local_path(uri), data, create_only=create_only)
            return
        import obstore

        store, key = locate(uri)
        try:
            store.put(key, data, mode="create" if create_only else "overwrite")
        except obstore.exceptions.AlreadyExistsError:
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

        lost = (obstore.exceptions.PreconditionError, obstore.exceptions.AlreadyExistsError, FileNotFoundError)
        store, key = locate(uri)
        try:
            return str(store.put(key, data, mode={"e_tag": version})["e_tag"])
        except lost as error:
            if "NoSuchBucket" in str(error):
                raise no_such_bucket(uri) from None
            raise ConflictError(redact(uri)) from None


def write_json(uri: str, value: Any, *, create_only: bool = False, sort_keys: bool = True) -> None:
    """Write a JSON document, with its keys sorted or in their order; see :func:`write_bytes`."""
    data = json.dumps(value, indent=2, sort_keys=sort_keys, allow_nan=False).encode() + b"\n"
    write_bytes(uri, data, create_only=create_only)


def table_bytes(table: pa.Table, **options: Any) -> bytes:
    """Return a table as a Parquet file (zstd, and checksums, unless ``options`` say otherwise)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"compression": "zstd", "write_page_checksum": True, **options})
    return bytes(sink.getvalue().to_pybytes())


def write_table(table: pa.Table, uri: str, **options: Any) -> None:
    """Write a table as one Parquet file; see :func:`table_bytes`."""
    write_bytes(uri, table_bytes(table, **options))


def geo_metadata(
    types: Collection[str] = ("Polygon",),
    bounds: tuple[float, float, float, float] | None = None,
    *,
    covering: bool = False,
) -> dict[bytes, bytes]:
    """Return the schema's metadata that makes a Parquet table a GeoParquet 1.1 one.

    Its column ``geometry`` holds WKB in longitude and latitude.

    Args:
        types: The types of geometry in it.
        bounds: West, south, east and north of all rows in degrees; None for a table without rows.
        covering: Whether a column ``bbox`` of structs holds the bounds of each row.
    """
    # No "crs": the default is OGC:CRS84, longitude before latitude.
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": sorted(types), "edges": "planar"}
    if covering:
        column["covering"] = {"bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}}
    if bounds is not None:
        column["bbox"] = [float(value) for value in bounds]
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {b"geo": json.dumps(geo, sort_keys=True).encode()}


def upload_file(local: Path, uri: str) -> None:
    """Copy a local file to ``uri``, whole or not at all."""
    refuse_web(uri)
    with explained("write", uri):
        if is_local(uri):
            with complete(local_path(uri)) as temporary:
                shutil.copyfile(local, temporary)
            return
        local.stat()  # obstore does not say which file it misses
        store, key = locate(uri)
        store.put(key, local)  # multipart above a threshold; visible only when complete


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
        store, key = locate(source)
        store.copy(key, locate(target)[1])


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
            store, key = locate(uri)
            store.delete(key)


def delete_prefix(uri: str, keep: Collection[str] = ()) -> None:
    """Remove every object below ``uri``, but those right below it whose names are in ``keep``."""
    refuse_web(uri)
    if is_local(uri):
        with contextlib.suppress(FileNotFoundError), explained("delete", uri):
            if not keep:
                shutil.rmtree(local_path(uri))
                return
            for path in local_path(uri).iterdir():
                if path.name not in keep and path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name not in keep:
                    path.unlink(missing_ok=True)
        return
    files = [file for file in list_files(uri) if file not in keep]
    with explained("delete", uri):
        store, key = locate(uri)
        if files:
            store.delete([f"{key}/{file}" if key else file for file in files])
