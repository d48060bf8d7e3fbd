"""Looking at everything that a step left, whether it is what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._attempt import part_records
from earthenware.steps._documents import CLAIM, damaged, find_manifest, read_claim, read_part

_BLOCK = 2**25
"""Bytes that are read at once."""


def verify_output(output: str, progress: Callable[[int], object] = lambda _: None) -> Iterator[str]:
    """Compare a step's claim, manifest, parts and results with their digests; yield a sentence per defect.

    Of a part's data only a single file is looked at; a chip store looks at its parts itself. ``progress`` is told how
    many bytes of results were read since. An error is raised where a remote store does not answer: what lies there may
    be whole.
    """
    for uri in part_records(output):
        yield from _told(_check_part, uri, output)
    manifest = None
    try:
        manifest = find_manifest(output)
    except EarthenwareError as error:
        yield _sentence(error, output)
    if manifest and read_claim(output) is None:
        yield f"'{storage.redact(output)}/{CLAIM}' is not a step's claim."
    for name, file in manifest.artifacts.items() if manifest else ():
        # On a disk these are two names of one file, in an object store two copies.
        uris = [uri for path in (file.path, name) if storage.exists(uri := storage.join(output, path))]
        if len(uris) == 2 and storage.is_local(output):
            same = storage.local_path(uris[0]).samefile(storage.local_path(uris[1]))
            uris = uris[:1] if same else uris
        for uri in uris or [storage.join(output, file.path)]:
            yield from _told(_compare, uri, file.sha256, progress)


def _check_part(uri: str, output: str) -> None:
    payload = read_part(uri).payload
    if "sha256" in payload:
        _compare(storage.join(output, payload["path"]), payload["sha256"], lambda _: None)


def _told(check: Callable[..., object], uri: str, *more: object) -> Iterator[str]:
    """Yield what a check of one file raises."""
    try:
        check(uri, *more)
    except EarthenwareError as error:
        yield _sentence(error, uri)


def _sentence(error: EarthenwareError, uri: str) -> str:
    """Return what is wrong with a file; where a remote store does not answer, the error is raised."""
    if error.kind == "access" and not storage.is_local(uri):
        raise error
    return error.message


def _compare(uri: str, sha256: str, progress: Callable[[int], object]) -> None:
    digest = hashlib.sha256()
    try:
        size = storage.size(uri)
    except FileNotFoundError:
        raise damaged(f"'{storage.redact(uri)}' is missing.") from None
    for start in range(0, size, _BLOCK):
        (block,) = storage.read_ranges(uri, [(start, min(_BLOCK, size - start))])
        digest.update(block)
        progress(len(block))
    if digest.hexdigest() != sha256:
        raise damaged(f"'{storage.redact(uri)}' is not what its step wrote.")
