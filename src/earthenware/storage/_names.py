"""Names: taking URIs apart and putting them together.

An object's key is text as it is: ``#``, ``?``, ``%`` and spaces in a path or after ``s3://bucket/`` mean themselves.
Only ``file://`` and ``http(s)://`` URIs are percent-encoded.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from earthenware.errors import EarthenwareError, redact

_REMOTE = ("s3://", "http://", "https://")


def is_local(uri: str) -> bool:
    """Return whether ``uri`` lies on this machine's file system."""
    return not uri.startswith(_REMOTE)


def is_web(uri: str) -> bool:
    """Return whether ``uri`` is on the web, where nothing can be written or listed."""
    return uri.startswith(("http://", "https://"))


def local_path(uri: str) -> Path:
    """Return the file-system path of a local URI.

    Raises:
        EarthenwareError: ``NOT_LOCAL`` for a remote URI, ``UNKNOWN_SCHEME`` for a scheme that is not supported,
            ``BAD_URI`` for a file:// URI of another host or a name that no file can have.
    """
    if "\0" in uri:
        raise _bad(uri, "contains a null character")
    if uri.startswith("file:"):
        rest = uri.removeprefix("file:")
        if rest.startswith("//"):
            host, slash, rest = rest[2:].partition("/")
            if host not in ("", "localhost"):
                raise _bad(uri, f"names the host '{host}'", "Write file:///path with three slashes.")
            rest = slash + rest
        if not rest.startswith("/"):
            raise _bad(uri, "holds no absolute path", "Write file:///path with three slashes.")
        return Path(unquote(rest))
    if "://" in uri:
        if not is_local(uri):
            raise EarthenwareError("NOT_LOCAL", f"'{redact(uri)}' is not a local path.")
        raise EarthenwareError(
            "UNKNOWN_SCHEME",
            f"'{redact(uri)}' has a scheme that is not supported.",
            "Use a path, file://, s3:// or https://.",
        )
    path = Path(uri)
    with contextlib.suppress(RuntimeError):  # "~name" of no such user is a name like any other
        path = path.expanduser()
    return path.absolute()


def split_s3(uri: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` URI; the key may be empty.

    Raises:
        EarthenwareError: ``BAD_URI`` when there is no bucket, or credentials in its place.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if "@" in bucket:
        remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead."
        raise _bad(uri, "holds credentials, which are not read from URIs", remedy)
    if not bucket:
        raise _bad(uri, "names no bucket", "Write s3://bucket/prefix.")
    return bucket, key.strip("/")


def normalise(uri: str) -> str:
    """Return the absolute form of ``uri``; local URIs become plain absolute paths, web addresses stay as they are.

    Raises:
        EarthenwareError: ``EMPTY_URI``, ``BAD_URI`` or ``UNKNOWN_SCHEME``.
    """
    if not uri.strip():
        raise EarthenwareError("EMPTY_URI", "A path or URI is empty.", "Give a path, s3:// or https:// URI.")
    if is_local(uri):
        return os.path.normpath(local_path(uri))
    if is_web(uri):
        try:
            parts = urlsplit(uri)
            host, _ = parts.hostname, parts.port  # a port that is none is found when it is asked for
        except ValueError as error:
            raise _bad(uri, f"is no web address ({error})") from None
        if not host or not uri.isprintable():
            raise _bad(uri, "names no host" if not host else "has characters that no address has")
        return uri
    bucket, key = split_s3(uri)
    segments = [segment for segment in key.split("/") if segment]
    if "." in segments or ".." in segments:
        raise _bad(uri, "has '.' or '..' in its key", "Write the key out.")
    return "/".join([f"s3://{bucket}", *segments])


def _bad(uri: str, why: str, remedy: str = "") -> EarthenwareError:
    return EarthenwareError("BAD_URI", f"'{redact(uri)}' {why}.".replace("\0", "\\0"), remedy)


def join(uri: str, *parts: str) -> str:
    """Append relative ``parts`` to ``uri``; they are plain names, percent-encoded where the URI is.

    Raises:
        EarthenwareError: ``UNSAFE_PATH`` when a part is absolute or climbs out with ``..``.
    """
    for part in parts:
        if part.startswith("/") or "://" in part or ".." in part.split("/") or "\0" in part:
            shown = part.replace("\0", "\\0")
            raise EarthenwareError("UNSAFE_PATH", f"'{shown}' is not a relative path below '{redact(uri)}'.")
    below = [stripped for part in parts if (stripped := part.strip("/"))]
    if not below:
        return uri
    if is_web(uri):
        base, mark, query = uri.partition("?")  # a signature in the query often covers a whole folder
        return "/".join([base.rstrip("/"), *map(quote, below)]) + mark + query
    if uri.startswith("file:"):
        below = [quote(part) for part in below]
    return "/".join([uri.rstrip("/"), *below])


def parent(uri: str) -> str:
    """Return the URI one level up; a bucket, a web host and ``/`` are their own parents."""
    if is_local(uri):
        return posixpath.dirname(uri.rstrip("/")) or ("/" if uri.startswith("/") else ".")
    scheme, _, rest = (uri.partition("?")[0] if is_web(uri) else uri).partition("://")
    rest = rest.rstrip("/")
    return f"{scheme}://{posixpath.dirname(rest) or rest}"


def name(uri: str) -> str:
    """Return the last path element of ``uri``, decoded; empty for a bucket, a web host and ``/``."""
    if is_web(uri):
        return unquote(posixpath.basename(urlsplit(uri).path.rstrip("/")))
    if uri.startswith("s3://"):
        return posixpath.basename(split_s3(uri)[1])
    last = posixpath.basename(uri.rstrip("/"))
    return unquote(last) if uri.startswith("file:") else last
