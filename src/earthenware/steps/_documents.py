"""What the step contract keeps beside the results of a step: its files' names, and what each of them holds."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from earthenware import storage
from earthenware.errors import EarthenwareError, invalid_fields
from earthenware.processes import process_lives, process_table
from earthenware.steps._spec import checksum, is_unchanged, sha256_json

CLAIM: Final = "step.json"
LEASE: Final = "lease.json"
ERROR: Final = "error.json"
MANIFEST: Final = "manifest.json"
PARTS: Final = "parts"
RESULTS: Final = "results"
RESERVED: Final = frozenset({CLAIM, LEASE, ERROR, MANIFEST, PARTS, RESULTS})

SCHEMA_VERSION: Final = 1
"""Of the manifest."""
_SKEW_LIMIT: Final = 900.0
"""Seconds by which no clock is off: S3 refuses requests of a machine whose clock is."""

HELD: set[str] = set()
"""Owners of the leases that this process holds."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


DocumentT = TypeVar("DocumentT", bound=_Document)


class _Checked(_Document):
    """A document that carries a digest of all else it says."""

    checksum: str = ""

    def checked(self) -> Self:
        """Return the same with its checksum, as it is to be written."""
        return self.model_copy(update={"checksum": checksum(self.model_dump(mode="json"))})


class Claim(_Document):
    """``step.json``: which step, asked what, owns an output.

    Attributes:
        step: Name of the step.
        algorithm_version: Raised when its results change.
        spec: The fields of its spec that results depend on.
        inputs: Digests of its inputs by name.
        fingerprint: Digest of all of these.
        package_version: Version of this package that made the claim.
    """

    step: str
    spec: dict[str, Any]
    fingerprint: str
    algorithm_version: int = 0
    inputs: dict[str, list[str]] = {}
    package_version: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if sha256_json(self.model_dump(include={"step", "algorithm_version", "spec", "inputs"})) != self.fingerprint:
            raise ValueError("its fingerprint is another")
        return self


class Holder(_Document):
    """``lease.json``: who works on an output now.

    Attributes:
        owner: A name that no other attempt has.
        machine: The process table that ``pid`` belongs to.
        host: The machine's name, for people.
        pid: The process.
        process_started: When it began.
        lives: Seconds until a lease that nobody renews runs out.
        renewed: When it was renewed last, in seconds of the holder's clock.
        expires: When it runs out by that clock.
    """

    owner: str
    machine: str
    pid: int
    expires: float
    lives: float
    host: str = "?"
    process_started: str | None = None
    renewed: float = 0.0

    @property
    def alive(self) -> bool | None:
        """Whether the holder lives; None when it is on another machine and only time will tell."""
        if self.machine != process_table():
            return None if self.expires > time.time() - _SKEW_LIMIT else False
        if self.pid == os.getpid():
            return self.owner in HELD  # an earlier run of this process may have been unable to release
        return process_lives(self.pid, self.process_started)


@dataclass(frozen=True, order=True)
class Reject:
    """A bad record that the step went on without."""

    record: str
    reason: str
    message: str


class Part(_Checked):
    """``parts/KEY.json``: a part counts.

    Attributes:
        key: Name of the part, the same in every attempt.
        attempt: The attempt that made it.
        payload: What names its data and describes it.
        rejects: Records that were left out while it was made.
    """

    key: str
    attempt: str
    payload: dict[str, Any]
    rejects: list[Reject] = []


class ArtifactRecord(_Document):
    """One result file: its path below the output, its digest and its length."""

    path: str
    sha256: str
    bytes: int


class InputRecord(_Document):
    """One input: where it lay and the digest that the fingerprint holds."""

    uri: str
    digest: str


class Manifest(_Checked):
    """What a finished step was asked, what it read, and what it made.

    Attributes:
        fingerprint: Digest of step, algorithm version, spec and input digests: equal fingerprints mean equal work.
        digest: Digest of the results, which later steps put into their own fingerprints.
        seconds: Wall-clock times of the attempt that finished, by stage; ``total`` covers the whole attempt.
        rejects: Number of rejected records by reason.
        details: What only this kind of step has to say.
    """

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


def damaged(message: str, code: str = "OUTPUT_DAMAGED") -> EarthenwareError:
    """Return the error for an output that is not what its step wrote."""
    remedy = "Remove the output ('earthenware clean --all FOLDER') and run the step again."
    return EarthenwareError(code, message, remedy)


def parse(model: type[DocumentT], data: bytes) -> DocumentT | None:
    """Return the document in some bytes; None where they hold something else."""
    try:
        return model.model_validate_json(data)
    except ValidationError:
        return None


def _read(model: type[DocumentT], output: str, name: str) -> DocumentT | None:
    uri = storage.join(output, name)
    with contextlib.suppress(OSError):  # reading says what is wrong
        if storage.is_local(uri) and not stat.S_ISREG(storage.local_path(uri).lstat().st_mode):
            return None  # such as a link to another's document
    try:
        return parse(model, storage.read_bytes(uri))
    except FileNotFoundError:
        return None


def read_claim(output: str) -> Claim | None:
    """Return the claim on an output; None where no step claimed it."""
    return _read(Claim, output, CLAIM)


def read_holder(output: str) -> Holder | None:
    """Return who holds an output; None where nobody does."""
    return _read(Holder, output, LEASE)


class _Failure(_Document):
    code: str
    message: str
    remedy: str = ""


def read_failure(output: str) -> EarthenwareError | None:
    """Return the error with which the last attempt at an output ended; None where it did not fail."""
    found = _read(_Failure, output, ERROR)
    return EarthenwareError(found.code, found.message, found.remedy) if found else None


def read_manifest(output: str) -> Manifest:
    """Return the manifest of the finished step below ``output``.

    Raises:
        EarthenwareError: ``NOT_FINISHED`` when there is none, ``BAD_MANIFEST`` when it is damaged or newer.
    """
    manifest = find_manifest(output)
    if manifest is None:
        message = f"'{storage.redact(output)}' holds no finished step: it has no {MANIFEST}."
        remedy = "Give the output of a step that ended well, or run that step again to finish it."
        raise EarthenwareError("NOT_FINISHED", message, remedy)
    return manifest


def find_manifest(output: str) -> Manifest | None:
    """Return the manifest of the finished step below ``output``; None where no step was finished.

    Raises:
        EarthenwareError: ``BAD_MANIFEST`` when it is damaged or newer.
    """
    uri = storage.join(storage.normalise(output), MANIFEST)
    try:
        values = storage.read_json(uri)
    except FileNotFoundError:
        return None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = f"'{storage.redact(uri)}' has schema version {version}; this package reads up to {SCHEMA_VERSION}."
        raise EarthenwareError("BAD_MANIFEST", message, "Upgrade earthenware.")
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        message = f"This is not a step's manifest: {invalid_fields(error, storage.redact(uri), Manifest)}"
        raise damaged(message, "BAD_MANIFEST") from None
    if not is_unchanged(values):
        message = f"'{storage.redact(uri)}' is not what its step wrote: its checksum does not match."
        raise damaged(message, "BAD_MANIFEST")
    return manifest


def read_part(uri: str) -> Part:
    """Return the record of a part; ``OUTPUT_DAMAGED`` when it is not what was written."""
    data = storage.read_bytes(uri)
    part = parse(Part, data)
    if part is None or not is_unchanged(json.loads(data)):
        raise damaged(f"'{storage.redact(uri)}' is not the record of a part.")
    return part
