"""The store: everything that steps ask of it, tried below a prefix of its own that is removed again."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from earthenware import storage
from earthenware.doctor._examine import Check, Verdict, environment, failed, ok
from earthenware.errors import EarthenwareError

LARGE_BYTES: Final = 12 * 2**20
"""Size of the object that is stored in parts; the client cuts at 5 MiB."""
_SIZE: Final = f"{LARGE_BYTES // 2**20} MiB"
_NAME: Final = "earthenware-doctor-"
_CONDITIONAL: Final = (
    "Leases rest on it: use a store, without a proxy before it, that honours If-None-Match and If-Match."
)


def store_checks(root: str, seconds: float) -> list[Check]:
    """Return the checks of a root on this machine's file system or in an object store.

    Each may take so many seconds; the large object gets six times as much.
    """
    if storage.is_local(root):
        success = f"'{storage.local_path(root)}' can be written, with conditional writes."
        return [Check("store", partial(_try, root, _folder, success), seconds=seconds, writes=True)]

    first, objects, large = "store", "store: objects", 6 * seconds
    created = "The second of two that create the same object is refused, as a lease needs."
    replaced = "An object is replaced only while it is the one that was read."
    return [
        Check(first, lambda: _check_bucket(root), "", seconds),
        Check(objects, lambda: _check_objects(root), first, seconds, writes=True),
        Check("store: conditional create", partial(_try, root, _create, created), objects, seconds, writes=True),
        Check("store: compare and swap", partial(_try, root, _replace, replaced), objects, seconds, writes=True),
        Check("store: multipart upload", lambda: _check_multipart(root, large), objects, large, writes=True),
    ]


@contextlib.contextmanager
def _probe(root: str) -> Iterator[str]:
    """Yield the URI of a prefix that nobody uses, and remove it with all that was made for it."""
    prefix = storage.join(root, f"{_NAME}{secrets.token_hex(8)}")
    made: list[Path] = []
    if storage.is_local(root):
        path = storage.local_path(root)
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield prefix
    finally:
        storage.delete_prefix(prefix)
        for folder in made:
            with contextlib.suppress(OSError):  # somebody else uses it by now
                folder.rmdir()


def _try(root: str, trial: Callable[[str], Verdict | None], success: str) -> Verdict:
    with _probe(root) as prefix:
        return trial(prefix) or ok(success)


def _check_bucket(root: str) -> Verdict:
    try:
        empty = storage.is_empty(root)
    except EarthenwareError as error:
        if error.code == "NO_SUCH_BUCKET":
            return failed(error.message, "Create it (the chart's hook does), or correct --root.")
        raise
    endpoint = storage.own_access().endpoint or "AWS"
    what = "nothing below it yet" if empty else "with objects below it"
    return ok(f"'{storage.redact(root)}' at {storage.redact(endpoint)} can be listed, {what}.")


def _check_objects(root: str) -> Verdict:
    with _probe(root) as prefix:
        problem = _objects(prefix)
    if problem is None and not storage.is_empty(prefix):
        problem = failed("A removed object is still listed.", "Use a store with consistent listings.")
    return problem or ok("Objects are written, read, listed and deleted.")


def _check_multipart(root: str, seconds: float) -> Verdict:
    # That the store answers is known by now: on a slow line a part takes longer than another check's patience.
    with environment({"EARTHENWARE_STORE_SECONDS": f"{0.4 * seconds:g}"}):
        return _try(root, _large, f"An object of {_SIZE} is stored in parts and comes back the same.")


def _folder(prefix: str) -> Verdict | None:
    return _objects(prefix) or _create(prefix) or _replace(prefix)


def _large(prefix: str) -> Verdict | None:
    uri, data = storage.join(prefix, "large"), os.urandom(LARGE_BYTES)
    storage.write_bytes(uri, data)
    if storage.read_bytes(uri) != data:
        return failed(f"An object of {_SIZE} comes back changed.", "Use a store whose multipart uploads work.")
    return None


def _objects(prefix: str) -> Verdict | None:
    uri, data = storage.join(prefix, "deep/object"), secrets.token_bytes(64)
    storage.write_bytes(uri, data)
    if storage.read_bytes(uri) != data:
        remedy = "Use a store with read-after-write consistency."
        return failed("An object does not come back as it was written.", remedy)
    if list(storage.list_files(prefix)) != ["deep/object"]:
        return failed("A new object is not listed.", "Use a store with consistent listings.")
    storage.delete_file(uri)
    if storage.exists(uri):
        return failed("A deleted object is still there.", "Give the key the right to delete (s3:DeleteObject).")
    return None


def _create(prefix: str) -> Verdict | None:
    uri = storage.join(prefix, "lease")
    try:
        storage.write_bytes(uri, b"first", create_only=True)
        try:
            storage.write_bytes(uri, b"second", create_only=True)
        except FileExistsError:
            return None
    except EarthenwareError as error:
        return failed(f"The store refuses conditional writes: {error.message}", _CONDITIONAL)
    return failed("The store lets two create the same object: it ignores If-None-Match.", _CONDITIONAL)


def _replace(prefix: str) -> Verdict | None:
    uri = storage.join(prefix, "state")
    storage.write_bytes(uri, b"first")
    _, version = storage.read_versioned(uri)
    try:
        storage.replace(uri, b"second", version)
    except storage.ConflictError:
        return failed("The store refuses to replace an object that nobody changed (If-Match).", _CONDITIONAL)
    try:
        storage.replace(uri, b"third", version)
    except storage.ConflictError:
        return None
    return failed("The store overwrites an object that somebody changed: it ignores If-Match.", _CONDITIONAL)
