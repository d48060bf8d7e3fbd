"""What a step reads, and the steps behind a result: each manifest names its inputs, and they name theirs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._documents import MANIFEST, InputRecord, Manifest, find_manifest, read_manifest


def lineage(*outputs: str) -> dict[str, Manifest]:
    """Return the manifests of finished steps and of all that led to them.

    An input further back that is a single file, or an output that is no longer there, is left out.

    Args:
        outputs: URIs of outputs of finished steps.

    Returns:
        Output's URI -> manifest, each once, every step after those whose outputs it read.

    Raises:
        EarthenwareError: ``NOT_FINISHED`` when one of ``outputs`` is not a finished step; ``BAD_MANIFEST`` or
            ``NOT_JSON`` when the manifest of any of them is damaged.
    """
    seen: set[str] = set()
    ordered: dict[str, Manifest] = {}

    def follow(uri: str, manifest: Manifest) -> None:
        seen.add(uri)
        for record in (record for records in manifest.inputs.values() for record in records):
            before = record.uri.removesuffix(f"/{MANIFEST}")
            if before not in seen and (found := _read(before)) is not None:
                follow(before, found)
        ordered[uri] = manifest

    for output in map(storage.normalise, outputs):
        if output not in seen:
            follow(output, read_manifest(output))
    return ordered


def _read(uri: str) -> Manifest | None:
    if storage.is_web(uri):  # a catalog: no step writes there
        return None
    try:
        return find_manifest(uri)
    except EarthenwareError as error:
        if error.code in ("BAD_MANIFEST", "NOT_JSON"):
            raise
        return None


def read_inputs(
    inputs: Mapping[str, str | Sequence[str]],
) -> tuple[dict[str, list[InputRecord]], dict[str, list[Manifest | None]]]:
    """Return records of all inputs, and the manifests of those that are outputs of earlier steps.

    Raises:
        EarthenwareError: ``NO_INPUT``, ``NOT_FINISHED`` or ``STORAGE_*``, which name the input.
    """
    records: dict[str, list[InputRecord]] = {}
    manifests: dict[str, list[Manifest | None]] = {}
    for name, value in inputs.items():
        uris = [storage.normalise(uri) for uri in ([value] if isinstance(value, str) else value)]
        records[name], manifests[name] = [], []
        for uri in uris:
            digest, manifest = _input_digest(name, uri)
            records[name].append(InputRecord(uri=storage.redact(uri), digest=digest))
            manifests[name].append(manifest)
    return records, manifests


def _input_digest(name: str, uri: str) -> tuple[str, Manifest | None]:
    from earthenware.network import fetch  # only here: it takes a part of a second

    try:
        if not uri.endswith(f"/{MANIFEST}") and not (storage.is_local(uri) and storage.local_path(uri).is_dir()):
            with contextlib.suppress(FileNotFoundError):  # not a single file: it must be the output of a step
                # On the web it may be a stranger's: then it must not lead into this machine's network.
                data = fetch(uri) if storage.is_web(uri) else storage.read_bytes(uri)
                return hashlib.sha256(data).hexdigest(), None
        output = uri.removesuffix(f"/{MANIFEST}")
        if storage.is_web(output) or storage.is_empty(output):
            message = f"there is nothing at '{storage.redact(uri)}'."
            raise EarthenwareError("NO_INPUT", message, "Correct the path or URI, or run the step that makes it.")
        manifest = read_manifest(output)
    except EarthenwareError as error:
        raise EarthenwareError(error.code, f"Input '{name}': {error.message}", error.remedy) from None
    return manifest.digest, manifest
