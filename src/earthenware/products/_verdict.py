"""``verdict.json``: what a validation expected of a chip store and what it found."""

from __future__ import annotations

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import Attempt, read_artifact, read_manifest

VERDICT_FILE: Final = "verdict.json"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Met(_Document):
    """An expectation that was met.

    Attributes:
        expectation: Its name.
        column: The columns that it looks at.
        observed: What was found, in short.
        expected: What is expected, as a sentence.
    """

    expectation: str
    column: str
    observed: str
    expected: str


class Breach(Met):
    """An expectation that was not met.

    Attributes:
        sentence: What is wrong, for a person.
    """

    sentence: str


class BandFigures(_Document):
    """A band over the chips that were read, in physical units; None where no pixel is valid."""

    pixels: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    std: float | None
    nodata_fraction: float | None
    implausible_share: float | None


class StoreFigures(_Document):
    """A chip store in figures.

    Attributes:
        chips: Chips of the store.
        chips_examined: Chips whose pixels were read.
        scenes: Scenes that they come from.
        sites: Sites of those.
        splits: Split -> chips.
        sensors: Sensor -> chips that have it.
        bands: Sensor -> band -> figures.
    """

    chips: int = 0
    chips_examined: int = 0
    scenes: int = 0
    sites: int = 0
    splits: dict[str, int] = {}
    sensors: dict[str, int] = {}
    bands: dict[str, dict[str, BandFigures]] = {}


class Verdict(_Document):
    """A verdict on a chip store.

    Attributes:
        passed: Whether the gate is open.
        failures: What closes it.
        warnings: What was not met and does not close it.
        met: What was met.
        skipped: Expectations whose subject the store does not have.
        statistics: The store in figures.
    """

    passed: bool
    failures: list[Breach]
    warnings: list[Breach]
    met: list[Met]
    skipped: list[str]
    statistics: StoreFigures

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.passed == bool(self.failures):
            raise ValueError("it passes with failures, or fails without")
        return self


def put_verdict(attempt: Attempt, verdict: Verdict) -> None:
    """Write the verdict as a result file of a validation."""
    attempt.put_json(VERDICT_FILE, verdict.model_dump(mode="json"))


def read_verdict(validation: str) -> Verdict:
    """Read the verdict of a finished validation.

    Raises:
        EarthenwareError: ``NOT_FINISHED`` or ``NOT_A_VALIDATION`` when there is no finished validation,
            ``OUTPUT_DAMAGED`` when its file was changed, ``BAD_VERDICT`` when it is of another version.
    """
    manifest = read_manifest(validation)
    if VERDICT_FILE not in manifest.artifacts:
        message = f"'{storage.redact(validation)}' is the output of '{manifest.step}', not of a validation."
        raise EarthenwareError("NOT_A_VALIDATION", message, "Give the output of 'earthenware validate'.")
    try:
        return Verdict.model_validate_json(read_artifact(validation, VERDICT_FILE, manifest), strict=True)
    except ValidationError as error:
        message = f"'{storage.redact(storage.join(validation, VERDICT_FILE))}' is not a verdict."
        raise EarthenwareError("BAD_VERDICT", message, "Validate the chips anew.") from error
