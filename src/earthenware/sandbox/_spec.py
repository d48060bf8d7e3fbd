"""What a sandbox is made from."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from earthenware.steps import CommaList, Spec, marks

SATELLITES: Final = ("sentinel-2-l2a", "sentinel-1-rtc", "landsat-c2-l2", "sentinel-1-grd")
"""Collections of satellite scenes that a sandbox can hold."""


class SandboxSpec(Spec):
    """Seed and extent of a small synthetic Earth.

    Every place depends on the seed and its own number alone: a larger sandbox holds the smaller one's places.
    """

    seed: int = Field(2024, ge=0, le=2**31 - 1, description="seed of all randomness")
    places: int = Field(24, ge=1, le=96, description="number of places, spread over two UTM zones and their border")
    dates: int = Field(4, ge=1, le=12, description="visits per place; the flooded place has one more")
    size: int = Field(
        512, ge=64, le=2048, multiple_of=16, description="edge length of a scene (pixels of 10 m, a multiple of 16)"
    )
    collections: CommaList = Field(
        ("sentinel-2-l2a", "sentinel-1-rtc"),
        description=f"satellite scenes to make, of {', '.join(SATELLITES)}; maps come with every place",
    )
    workers: int = Field(
        0,
        ge=0,
        le=256,
        description="worker processes (0: one per CPU core); does not change the pixels",
        json_schema_extra=marks(runtime=True),
    )

    @field_validator("collections")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in SATELLITES]
        if unknown or not names:
            raise ValueError(f"there is no {unknown[0]!r}" if unknown else "name at least one")
        # In one order, so that a different order is not another sandbox.
        return tuple(name for name in SATELLITES if name in names)
