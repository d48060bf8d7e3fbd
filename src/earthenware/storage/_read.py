"""Reading: whole objects, JSON, tables, and what lies below a prefix."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from earthenware.errors import EarthenwareError, first_line, redact
from earthenware.storage._explain import explained
from earthenware.storage._local import walk
from earthenware.storage._names import is_local, is_web, local_path
from earthenware.storage._remote import locate

if TYPE_CHECKING:
    import pyarrow as pa


_REMEDY = "Restore the file, or make it again."
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Of a file that is read in pieces: of a pipe there are none, which the first read says."""


def read_bytes(uri: str) -> bytes:
    """Return the whole object."""
    with explained("read", uri):
        if is_local(uri):
            path = local_path(uri)
            _refuse_irregular(path.stat())
            return path.read_bytes()
        store, key = locate(uri)
        return bytes(store.get(key).bytes())


def _refuse_irregular(found: os.stat_result) -> None:
    """Refuse what is no file: to open a pipe is to wait for whoever writes into it."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def read_ranges(uri: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Return pieces of one object: from a file with one read each, from a remote store with one request.

    Args:
        uri: The object.
        ranges: Offset and length of each piece in bytes. Those of a remote object should lie near each other, as what
            is between them is fetched too.
    """
    if is_local(uri):
        try:
            # An absolute path is itself: local_path takes as long over it as reading a small chip does.
            file = os.open(uri if uri.startswith("/") else local_path(uri), _FLAGS)
            try:
                return [os.pread(file, length, offset) for offset, length in ranges]
            finally:
                os.close(file)
        except OSError:
            with explained("read", uri):  # to enter it for each file takes as long, too
                raise
    with explained("read", uri):
        store, key = locate(uri)
        first = min(offset for offset, _ in ranges)
        last = max(offset + length for offset, length in ranges)
        data = memoryview(store.get_range(key, start=first, end=last))
        return [bytes(data[offset - first : offset - first + length]) for offset, length in ranges]


def read_tail(uri: str, length: int) -> bytes:
    """Return the last ``length`` bytes of an object, or all of a shorter one."""
    with explained("read", uri):
        if is_local(uri):
            file = os.open(local_path(uri), _FLAGS)
            try:
                found = os.fstat(file)
                _refuse_irregular(found)
                return os.pread(file, length, max(0, found.st_size - length))
            finally:
                os.close(file)
        import obstore

        store, key = locate(uri)
        try:
            return bytes(store.get(key, options={"range": {"suffix": length}}).bytes())
        except obstore.exceptions.BaseError:
            if store.head(key)["size"]:
                raise
            return b""  # servers refuse ranges of nothing


def read_json(uri: str) -> Any:
    """Return the parsed JSON document at ``uri``; ``NOT_JSON`` when it does not parse."""
    return parse_json(read_bytes(uri), uri)


def parse_json(data: bytes, uri: str) -> Any:
    """Return the JSON document that was read from ``uri``; ``NOT_JSON`` when it does not parse."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"'{redact(uri)}' is not a complete JSON document: {error}."
        raise EarthenwareError("NOT_JSON", message, _REMEDY) from error


def read_table(uri: str, columns: list[str] | None = None) -> pa.Table:
    """Return a Parquet file as a table, or only some of its ``columns``.

    Raises:
        EarthenwareError: ``NOT_PARQUET`` when it is truncated or of another format, ``NO_SUCH_COLUMN`` when it lacks
            one of ``columns``.
    """
    return parse_table(read_bytes(uri), uri, columns)


def parse_table(data: bytes, uri: str, columns: list[str] | None = None) -> pa.Table:
    """Return the table in a Parquet file that was read from ``uri``; errors as of :func:`read_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        known = set(file.schema_arrow.names)
        missing = [column for column in columns or [] if column.partition(".")[0] not in known]
        if missing:
            message = f"'{redact(uri)}' has no column '{missing[0]}'."
            raise EarthenwareError("NO_SUCH_COLUMN", message, f"Its columns are {', '.join(sorted(known))}.")
        # On this thread: Arrow's pool may drop its last hold on Python's bytes while the interpreter ends, which aborts
        # the process after all is done (apache/arrow#34314, seen here).
        return file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"'{redact(uri)}' is not a whole Parquet file: {first_line(error)}."
        raise EarthenwareError("NOT_PARQUET", message, _REMEDY) from error


def exists(uri: str) -> bool:
    """Return whether an object (not a mere prefix) is at ``uri``."""
    try:
        size(uri)
    except FileNotFoundError:
        return False
    return True


def size(uri: str) -> int:
    """Return the object's length in bytes."""
    with explained("read", uri):
        if is_local(uri):
            path = local_path(uri)
            found = path.stat()  # once: a contender may be making the folder right now
            if stat.S_ISDIR(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "is a directory", str(path))
            return found.st_size
        store, key = locate(uri)
        if not key and not is_web(uri):
            raise FileNotFoundError(errno.ENOENT, "is a bucket", uri)
        return int(store.head(key)["size"])


def list_files(prefix: str) -> Iterator[str]:
    """Yield the paths of all objects below ``prefix``, relative to it, in sorted order.

    Left-overs of a writer that was killed are not objects and are not shown.
    """
    yield from sorted(_walk(prefix))


def list_prefixes(prefix: str) -> Iterator[str]:
    """Yield the names of the folders right below ``prefix`` in sorted order; what lies deeper is not looked at."""
    _refuse_unlistable(prefix)
    with explained("list", prefix):
        if is_local(prefix):
            try:
                with os.scandir(local_path(prefix)) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except (FileNotFoundError, NotADirectoryError):
                names = []
        else:
            store, key = locate(prefix)
            found = store.list_with_delimiter(prefix=key or None)["common_prefixes"]
            names = [path.rstrip("/").rpartition("/")[2] for path in found]
    yield from sorted(names)


def is_empty(prefix: str) -> bool:
    """Return whether nothing lies below ``prefix``; cheap however much does."""
    return next(_walk(prefix, batch=2), None) is None


def _refuse_unlistable(prefix: str) -> None:
    if is_web(prefix):
        message = f"'{redact(prefix)}' cannot be listed."
        raise EarthenwareError("NOT_LISTABLE", message, "Use a path or s3://, or name a single file.")


def _walk(prefix: str, batch: int = 1000) -> Iterator[str]:
    _refuse_unlistable(prefix)
    with explained("list", prefix):
        if is_local(prefix):
            root = local_path(prefix)
            for path in walk(root):
                yield path.relative_to(root).as_posix()
            return
        store, key = locate(prefix)
        # A prefix of the store's API matches whole path segments only, so "a/b" never lists "a/bc".
        for entries in store.list(prefix=key or None, chunk_size=batch):
            for entry in entries:
                if entry["path"] != key:  # the empty object by which web consoles show a folder
                    yield entry["path"].removeprefix(f"{key}/") if key else entry["path"]


def read_versioned(uri: str) -> tuple[bytes, str]:
    """Return the object and an opaque version for :func:`replace`."""
    if is_local(uri):
        data = read_bytes(uri)
        return data, hashlib.sha256(data).hexdigest()
    with explained("read", uri):
        store, key = locate(uri)
        result = store.get(key)
        return bytes(result.bytes()), str(result.meta["e_tag"])
