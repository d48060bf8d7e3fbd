"""The manifest: the last object that a step writes, and what a later step trusts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from earthenware import storage
from earthenware.errors import EarthenwareError, invalid_fields
from earthenware.steps._documents import MANIFEST

SCHEMA_VERSION: Final = 1


class ArtifactRecord(BaseModel):
    """One result file: its path below the output, its digest and its length."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    bytes: int


class InputRecord(BaseModel):
    """One input: where it lay and the digest that the fingerprint holds."""

    model_config = ConfigDict(frozen=True)

    uri: str
    digest: str


class Manifest(BaseModel):
    """What a finished step was asked, what it read, and what it made.

    Attributes:
        fingerprint: Digest of step, algorithm version, spec and input digests: equal fingerprints mean equal work.
        digest: Digest of the results, which later steps put into their own fingerprints.
        seconds: Wall-clock times of the attempt that finished, by stage; ``total`` covers the whole attempt.
        rejects: Number of rejected records by reason.
        details: What only this kind of step has to say.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    step: str
    algorithm_version: int
    spec: dict[str, Any]
    spec_hash: str
    fingerprint: str
    digest: str
    inputs: dict[str, list[InputRecord]]
    attempt: str
    finished: str
    counts: dict[str, int]
    metrics: dict[str, float]
    details: dict[str, Any]
    rejects: dict[str, int]
    seconds: dict[str, float]
    artifacts: dict[str, ArtifactRecord]
    packages: dict[str, str]


def read_manifest(output: str) -> Manifest:
    """Return the manifest of the finished step below ``output``.

    Raises:
        EarthenwareError: ``NOT_FINISHED`` when there is none, ``BAD_MANIFEST`` when it is damaged or newer.
    """
    uri = storage.join(storage.normalise(output), MANIFEST)
    try:
        values = storage.read_json(uri)
    except FileNotFoundError:
        message = f"'{storage.redact(output)}' holds no finished step: it has no {MANIFEST}."
        remedy = "Give the output of a step that ended well, or run that step again to finish it."
        raise EarthenwareError("NOT_FINISHED", message, remedy) from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = f"'{storage.redact(uri)}' has schema version {version}; this package reads up to {SCHEMA_VERSION}."
        raise EarthenwareError("BAD_MANIFEST", message, "Upgrade earthenware.")
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        message = f"This is not a step's manifest: {invalid_fields(error, storage.redact(uri), Manifest)}"
        raise EarthenwareError("BAD_MANIFEST", message) from None


def plain_json(value: Any) -> Any:
    """Return ``value`` in JSON's own types: NumPy numbers and arrays become Python's, a number that is none null.

    Raises:
        TypeError: It holds something that has no JSON form.
    """
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return plain_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")
