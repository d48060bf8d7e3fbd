"""Inputs of a step: where each lies, and the digest that goes into the fingerprint."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._manifest import MANIFEST, InputRecord, Manifest, read_manifest


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
    try:
        if not uri.endswith(f"/{MANIFEST}") and not (storage.is_local(uri) and storage.local_path(uri).is_dir()):
            with contextlib.suppress(FileNotFoundError):  # not a single file: it must be the output of a step
                return hashlib.sha256(storage.read_bytes(uri)).hexdigest(), None
        output = uri.removesuffix(f"/{MANIFEST}")
        if storage.is_web(output) or storage.is_empty(output):
            message = f"there is nothing at '{storage.redact(uri)}'."
            raise EarthenwareError("NO_INPUT", message, "Correct the path or URI, or run the step that makes it.")
        manifest = read_manifest(output)
    except EarthenwareError as error:
        raise EarthenwareError(error.code, f"Input '{name}': {error.message}", error.remedy) from None
    return manifest.digest, manifest
