"""What a sandbox is made from."""

from __future__ import annotations

from pydantic import Field

from earthenware.steps import Spec


class SandboxSpec(Spec):
    """Seed and extent of a small synthetic Earth.

    Every place depends on the seed and its own number alone: a larger sandbox holds the smaller one's places.
    """

    seed: int = Field(2024, ge=0, le=2**31 - 1, description="seed of all randomness")
    places: int = Field(24, ge=1, le=96, description="number of places, spread over two UTM zones and their border")
    dates: int = Field(4, ge=1, le=12, description="Sentinel-2 acquisitions per place; the flooded place has one more")
    size: int = Field(
        512, ge=64, le=2048, multiple_of=16, description="edge length of a scene (pixels of 10 m, a multiple of 16)"
    )
    workers: int = Field(
        0,
        ge=0,
        le=256,
        description="worker processes (0: one per CPU core); does not change the pixels",
        json_schema_extra={"runtime": True},
    )
