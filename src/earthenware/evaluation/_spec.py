"""What an evaluation is asked to do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from earthenware.inference import require_device
from earthenware.steps import LARGEST_SEED, Spec


class EvaluateSpec(Spec):
    """How to measure a pretrained model."""

    reconstruction_chips: int = Field(
        default=128,
        ge=1,
        le=1_000_000,
        description="Chips of held-out sites whose hidden patches are reconstructed, at most.",
    )
    probe_chips: int = Field(
        default=1000, ge=2, le=1_000_000, description="Chips per split for the land-cover probes, at most."
    )
    land_cover_fraction: float = Field(
        default=0.5, ge=0.0, le=1.0, description="Least share (0 to 1) of a chip that its land-cover class must hold."
    )
    neighbours: int = Field(default=20, ge=1, le=1000, description="Voters of the nearest-neighbour probe.")
    resamples: int = Field(default=1000, ge=100, le=100_000, description="Bootstrap draws behind each interval.")
    pictures: int = Field(default=6, ge=0, le=50, description="Chips to show before and after reconstruction.")
    seed: int = Field(
        default=0, ge=0, le=LARGEST_SEED, description="Seed of the chips drawn, masks, untrained weights and bootstrap."
    )
    batch_size: int = Field(default=64, ge=1, le=4096, description="Chips per forward pass.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto",
        description="Where to run the model; auto takes an accelerator if there is one.",
        json_schema_extra={"runtime": True},
    )

    def require_machine(self) -> None:
        """Raise what this machine lacks: the device that is asked for."""
        require_device(self.device)
