"""Looking at everything that a step left, whether it is what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._attempt import part_records
from earthenware.steps._documents import CLAIM, ArtifactRecord, damaged, find_manifest, read_claim, read_part

_BLOCK = 2**25
"""Bytes that are read at once."""


def verify_output(output: str, progress: Callable[[int], object] = lambda _: None) -> Iterator[str]:
    """Compare a step's claim, manifest, records of parts and results with their digests; yield a sentence per defect.

    ``progress`` is told how many bytes of results were read since. An error is raised where a remote store does not
    answer: what lies there may be whole.
    """
    for record in part_records(output):
        yield from _told(read_part, record)
    manifest = None
    try:
        manifest = find_manifest(output)
    except EarthenwareError as error:
        yield _sentence(error, output)
    if manifest and read_claim(output) is None:
        yield f"'{storage.redact(output)}/{CLAIM}' is not a step's claim."
    for name, file in manifest.artifacts.items() if manifest else ():
        # On a disk these are two names of one file, in an object store two copies.
        there = [uri for path in (file.path, name) if storage.exists(uri := storage.join(output, path))]
        if not there:
            yield f"'{storage.redact(output)}/{file.path}' is missing."
        if len(there) == 2 and storage.is_local(output):
            same = storage.local_path(there[0]).samefile(storage.local_path(there[1]))
            there = there[:1] if same else there
        for uri in there:
            yield from _told(_compare, uri, file, progress)


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


def _compare(uri: str, record: ArtifactRecord, progress: Callable[[int], object]) -> None:
    digest, size = hashlib.sha256(), storage.size(uri)
    for start in range(0, size, _BLOCK) if size == record.bytes else ():
        (block,) = storage.read_ranges(uri, [(start, min(_BLOCK, size - start))])
        digest.update(block)
        progress(len(block))
    if digest.hexdigest() != record.sha256:
        raise damaged(f"'{storage.redact(uri)}' is not what its step wrote.")
