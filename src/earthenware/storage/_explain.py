"""What the file system and object stores raise, turned into the one sentence a user can act on."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from earthenware.errors import EarthenwareError, first_line, reason, redact
from earthenware.storage._names import is_local, is_web, split_s3

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("No space left", "File too large", "Disk quota exceeded")
"""What libraries say of it that have errors of their own, such as Zarr's codecs."""
_FULL_STORE = ("XMinioStorageFull", "QuotaExceeded", "507 Insufficient Storage")
"""How object stores say it: MinIO, those where a bucket or its owner has a limit, and others."""
_STATUS = re.compile(r"status code: (\d{3}(?: [A-Z][A-Za-z ]+)?)")


class ConflictError(Exception):
    """The object changed since the version that a conditional write named."""


def no_such_bucket(uri: str) -> EarthenwareError:
    """Return the error for a bucket that is not there."""
    message = f"The bucket '{split_s3(uri)[0]}' does not exist."
    return EarthenwareError("NO_SUCH_BUCKET", message, "Create it, or correct the URI.")


@contextlib.contextmanager
def explained(action: str, uri: str) -> Iterator[None]:
    """Raise what goes wrong in this block as an :class:`EarthenwareError` that names ``uri``.

    ``FileNotFoundError``, ``FileExistsError`` and :class:`ConflictError` pass: callers decide by them. What comes from
    a remote store is not chained, as its text quotes whole URLs with their signatures.
    """
    if is_local(uri):
        with _explained_local(action, uri):
            yield
        return
    import obstore

    try:
        yield
    except (FileExistsError, EarthenwareError, ConflictError):
        raise
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise no_such_bucket(uri) from None
        if error.filename is not None:  # a file on this machine: obstore names none
            raise
        raise FileNotFoundError(errno.ENOENT, "There is no such object", redact(uri)) from None
    except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError) as error:
        raise (_no_space if _is_full(str(error)) else _denied)(action, uri) from None
    except obstore.exceptions.BaseError as error:
        raise _remote_failure(action, uri, str(error)) from None
    except ValueError as error:  # obstore's path parser
        what = "an empty path element" if "empty path segment" in str(error) else "a character no key may have"
        message = f"'{redact(uri)}' cannot be the name of an object: it has {what}."
        raise EarthenwareError("BAD_URI", message.encode("unicode_escape").decode()) from None
    except OSError as error:
        raise _system_failure(action, uri, error) from error


@contextlib.contextmanager
def _explained_local(action: str, uri: str) -> Iterator[None]:
    try:
        yield
    except NotADirectoryError as error:
        if action in ("write", "replace"):
            raise _system_failure(action, uri, error) from error
        # A file stands where a folder would have to be: so there is nothing below it.
        raise FileNotFoundError(errno.ENOENT, "There is no such file", uri) from None
    except (FileNotFoundError, FileExistsError):
        raise
    except PermissionError as error:
        raise _denied(action, uri) from error
    except OSError as error:
        raise _system_failure(action, uri, error) from error


@contextlib.contextmanager
def full_disk_explained(uri: str) -> Iterator[None]:
    """Raise as ``STORAGE_FULL`` what other libraries raise in this block where a disk is full; all else passes."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) not in _FULL and not any(words in str(error) for words in _FULL_WORDS):
            raise
        raise _no_space("write", uri) from error


def _is_full(text: str) -> bool:
    """Return whether an object store's answer says that there is no room."""
    return any(words in text for words in _FULL_STORE)


def _no_space(action: str, uri: str) -> EarthenwareError:
    remedy = "Free space or choose another output; what was committed stays and the step resumes from it."
    return EarthenwareError("STORAGE_FULL", f"No space left to {action} '{redact(uri)}'.", remedy)


def _denied(action: str, uri: str) -> EarthenwareError:
    remedy = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy."
    if is_local(uri):
        remedy = "Check the permissions of the file and its folder."
    elif is_web(uri):
        remedy = "The address wants a login or a signature, or the one it has ran out."
    return EarthenwareError("STORAGE_DENIED", f"Permission denied to {action} '{redact(uri)}'.", remedy)


def _system_failure(action: str, uri: str, error: OSError) -> EarthenwareError:
    if error.errno in _FULL:
        return _no_space(action, uri)
    why = error.strerror or first_line(error)
    return EarthenwareError("STORAGE_FAILED", f"Could not {action} '{redact(uri)}': {why}.", "Check the path.")


def system_error(error: OSError) -> EarthenwareError:
    """Return the error for what the operating system refused where nobody could say it better."""
    if isinstance(error, ConnectionError | TimeoutError):
        return EarthenwareError(
            "UNREACHABLE", f"A connection failed: {reason(error)}.", "Check the network; try again."
        )
    place = str(error.filename or "")
    if place and isinstance(error, PermissionError):
        return _denied("use", place)
    if place or error.errno in _FULL:
        return _system_failure("write" if error.errno in _FULL else "use", place or "the output", error)
    return EarthenwareError("STORAGE_FAILED", f"The operating system refuses: {error.strerror or first_line(error)}.")


def _remote_failure(action: str, uri: str, text: str) -> EarthenwareError:
    if "NoSuchBucket" in text:
        return no_such_bucket(uri)
    if "/latest/api/token" in text or "/latest/meta-data" in text:
        # Without credentials the client asks the cloud's metadata service for some, which answers only in a cloud.
        message = f"There are no credentials to {action} '{redact(uri)}'."
        remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket."
        return EarthenwareError("STORAGE_DENIED", message, remedy)
    if _is_full(text):
        return _no_space(action, uri)
    status = _STATUS.search(text)
    if status and status[1][:3] in ("401", "403"):
        return _denied(action, uri)
    why = f"the server answered {status[1].strip()}" if status else reason(text)
    remedy = "Check the address and the network." if is_web(uri) else "Check AWS_ENDPOINT_URL, the network and the URI."
    return EarthenwareError("STORAGE_FAILED", f"Could not {action} '{redact(uri)}': {why}.", remedy)
