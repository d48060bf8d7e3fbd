"""Where result files lie: under the name of the attempt that made them, and once they count under their own.

An attempt writes its results below ``results/ATTEMPT``, where no other attempt writes: one that lost its lease, however
long it slept, replaces nothing. The manifest, of which there is one, says whose results count. Only then, and only
those, are given the names that people and other software look for, such as ``report.html`` beside the manifest.
"""

from __future__ import annotations

import hashlib
from typing import Final

from earthenware import storage
from earthenware.steps._documents import RESULTS, ArtifactRecord, Manifest, damaged, find_manifest

_LARGEST_COPY: Final = 2**30
"""Bytes of the largest file that is stored a second time in an object store, which has no second names."""


def publish(output: str, manifest: Manifest) -> None:
    """Give the results that a manifest names their own names, where they do not have them.

    All or none: results may refer to each other by their names. Where a file of an object store is too large to be
    stored twice, ``results/ATTEMPT`` is the folder to open; it is as whole.
    """
    if not storage.is_local(output) and any(item.bytes > _LARGEST_COPY for item in manifest.artifacts.values()):
        return
    for name, item in manifest.artifacts.items():
        if not is_whole(storage.join(output, name), item.bytes):
            storage.copy_file(storage.join(output, item.path), storage.join(output, name))


def is_whole(uri: str, length: int) -> bool:
    """Return whether there is a file of the right length."""
    try:
        return storage.size(uri) == length
    except FileNotFoundError:
        return False


def forget_others(output: str, manifest: Manifest) -> None:
    """Remove the results of attempts that did not get to the manifest."""
    folder = storage.join(output, RESULTS)
    for name in storage.list_prefixes(folder):
        if name != manifest.attempt:
            storage.delete_prefix(storage.join(folder, name))


def artifact(output: str, name: str, manifest: Manifest | None = None) -> str:
    """Return the URI of a result of a finished step by its name, or of a folder of results such as ``model``.

    A folder that no step made, or that was copied without its manifest or without ``results/``, has its files under
    their own names.

    Args:
        output: The step's output.
        name: The result's name.
        manifest: The step's manifest, where it is read already.

    Raises:
        EarthenwareError: ``BAD_MANIFEST``.
    """
    return _find(output, name, manifest)[0]


def read_artifact(output: str, name: str, manifest: Manifest | None = None) -> bytes:
    """Return a result's bytes, having compared them with the digest in the manifest where there is one.

    Raises:
        FileNotFoundError: There is no such result.
        EarthenwareError: ``OUTPUT_DAMAGED`` when its content is gone or not the one that the step wrote.
    """
    uri, record = _find(output, name, manifest)
    try:
        data = storage.read_bytes(uri)
        whole = record is None or hashlib.sha256(data).hexdigest() == record.sha256
    except FileNotFoundError:
        if record is None:
            raise
        whole = False
    if not whole:
        raise damaged(f"'{storage.redact(uri)}' is not what its step wrote.")
    return data


def _find(output: str, name: str, manifest: Manifest | None = None) -> tuple[str, ArtifactRecord | None]:
    """Return where a result lies, and what the manifest says of it; of a folder, what it says of a file in it."""
    output = storage.normalise(output)
    plain = storage.join(output, name)
    manifest = manifest or find_manifest(output)
    if manifest is None:
        return plain, None
    for known, record in manifest.artifacts.items():
        if (known == name or known.startswith(f"{name}/")) and storage.exists(storage.join(output, record.path)):
            return storage.join(output, record.path.removesuffix(known) + name), record
    return plain, manifest.artifacts.get(name)
