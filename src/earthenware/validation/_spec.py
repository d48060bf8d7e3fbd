"""What the validation is asked to do: how much it reads, and where each limit lies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from earthenware.steps import LARGEST_SEED, CommaList, Foreseen, Spec

_MANY: Final = 1_000_000_000
_FIRST_YEAR, _LAST_YEAR = 1950, 2200


class ValidateSpec(Spec):
    """Limits of the expectations over a chip store, and which of them close the gate; their names are checked."""

    max_chips: int = Field(
        2048, ge=0, le=_MANY, description="Chips whose pixels are read, drawn evenly over the scenes (0 = all)"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the draw of chips")
    min_chips_train: int = Field(1, ge=0, le=_MANY, description="Fewest chips of the train split (0 = no limit)")
    min_chips_validation: int = Field(
        1, ge=0, le=_MANY, description="Fewest chips of the validation split (0 = no limit)"
    )
    min_chips_test: int = Field(0, ge=0, le=_MANY, description="Fewest chips of the test split (0 = no limit)")
    min_sensor_share: float = Field(
        0.5, ge=0, le=1, description="Smallest share of chips that have a sensor (fraction)"
    )
    max_split_overlap: float = Field(
        0.01, ge=0, le=1, description="Largest share of a chip's area that lies in a chip of another split (fraction)"
    )
    position_tolerance: float = Field(
        30.0,
        gt=0,
        le=1e6,
        description="Largest distance between a chip's centre by its grid and by its longitude and latitude (m)",
    )
    # Sentinel-1A, the first of the satellites, was launched on 2014-04-03.
    earliest: str = Field("2014-04-03", description="Earliest plausible acquisition (ISO 8601, UTC)")
    latest: str = Field("", description="Latest plausible acquisition (ISO 8601, UTC; empty = now)")
    max_sensor_gap: float = Field(
        30.0, gt=0, le=36_525, description="Longest time from a chip to a sensor paired in time (days)"
    )
    max_implausible: float = Field(
        0.001, ge=0, le=1, description="Largest share of a band's pixels outside its plausible range (fraction)"
    )
    fraction_tolerance: float = Field(
        0.001,
        ge=0,
        le=1,
        description="Largest difference between a nodata fraction of the index and the pixels' (fraction)",
    )
    # Sentinel-2's baseline 04.00 stores DN = reflectance * 10000 + 1000: no valid pixel falls far below 1000.
    offset_dark_dn: float = Field(
        1000.0, gt=0, le=65_535, description="Dark level at and above which pixels may carry an offset (DN)"
    )
    max_offset_scenes: float = Field(
        0.05, ge=0, le=1, description="Largest share of scenes whose pixels still carry a removed offset (fraction)"
    )
    reject_limit: float = Field(
        0.2, ge=0, le=1, description="Largest share of records rejected by the build (fraction)"
    )
    fail: CommaList = Field(
        (), description="Expectations that close the gate although they only warn by default (names)"
    )
    warn: CommaList = Field(
        (), description="Expectations that only warn although they close the gate by default (names)"
    )

    @field_validator("earliest", "latest")
    @classmethod
    def _is_moment(cls, value: str, info: ValidationInfo) -> str:
        if value or info.field_name == "earliest":
            moment(value)
        return value

    @field_validator("fail", "warn")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names:
            from earthenware.validation._expectations import EXPECTATIONS

            unknown = sorted(set(names) - set(EXPECTATIONS))
            if unknown:
                raise ValueError(f"no expectation is called {', '.join(unknown)}; known: {', '.join(EXPECTATIONS)}")
        return names

    @model_validator(mode="after")
    def _are_disjoint(self) -> Self:
        both = sorted(set(self.fail) & set(self.warn))
        if both:
            raise ValueError(f"{', '.join(both)} cannot be in both fail and warn")
        if self.latest and moment(self.latest) < moment(self.earliest):
            raise ValueError(f"latest ({self.latest}) comes before earliest ({self.earliest})")
        return self

    def foresee(self, inputs: Foreseen) -> Foreseen:
        """Refuse to close the gate for want of chips in a split that no chip can be in."""
        for split in ("validation", "test"):
            field, expectation = f"min_chips_{split}", f"{split}_chips"
            never = inputs.splits is not None and split not in inputs.splits
            if never and getattr(self, field) and expectation in self.fail:
                raise ValueError(f"fail: {expectation} is never met, as no chip will be in that split; set {field}=0")
        return inputs

    def limits(self, gsd: float) -> dict[str, Any]:
        """Return the limits by name for a store of this ground sampling distance (m).

        Times are naive UTC, as Great Expectations compares no others.
        """
        latest = moment(self.latest) if self.latest else datetime.now(UTC)
        return {
            **self.model_dump(),
            "earliest": moment(self.earliest).replace(tzinfo=None),
            # A terrain model is dated by the first of its acquisitions, years before any of the satellites.
            "earliest_terrain": datetime(2000, 1, 1),
            "latest": latest.replace(tzinfo=None),
            "latest_day": f"{latest:%Y-%m-%d}" if self.latest else "now",
            "store_gsd": gsd,
            "least_gsd": gsd * 0.999,
            "greatest_gsd": gsd * 1.001,
        }


def moment(text: str) -> datetime:
    """Return the UTC time that an ISO 8601 text names; a date alone is its midnight.

    Raises:
        ValueError: When the text is no ISO 8601 date or time, or one before or long after all satellites.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no ISO 8601 date or time, such as 2024-05-01 or 2024-05-01T10:00:00Z") from None
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"the year must lie from {_FIRST_YEAR} to {_LAST_YEAR}")
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
