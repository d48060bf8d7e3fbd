"""The steps behind a result, found by following what each manifest says of its inputs."""

from __future__ import annotations

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._manifest import MANIFEST, Manifest, read_manifest


def lineage(*outputs: str) -> dict[str, Manifest]:
    """Return the manifests of finished steps and of all that led to them.

    An input further back that is a single file, or an output that is no longer there, is left out.

    Args:
        outputs: URIs of outputs of finished steps.

    Returns:
        Output's URI -> manifest, each once, every step after those whose outputs it read.

    Raises:
        EarthenwareError: ``NOT_FINISHED`` or ``BAD_MANIFEST`` when one of ``outputs`` is not a finished step.
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
        return read_manifest(uri)
    except EarthenwareError:
        return None
