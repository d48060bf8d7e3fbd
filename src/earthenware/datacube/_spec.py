"""What can be asked of a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from earthenware.processes import require_room
from earthenware.sensors import SENSORS
from earthenware.steps import CommaList, Foreseen, Spec, marks

_RUNTIME: Final = marks(runtime=True)
_WORKER_BYTES: Final = 48 * 2**20
"""Memory that a worker takes before it reads anything; measured."""


class BuildSpec(Spec):
    """How scenes become chips."""

    sensors: CommaList = Field(
        (),
        description="Sensors to store (ids), the one that gives the scenes their grid among them; empty stores all "
        "that the scenes have",
    )
    chip_size: int = Field(64, ge=8, le=2048, description="Edge of a chip (pixels)", json_schema_extra=marks(form=True))
    edges: Literal["drop", "shift"] = Field(
        "drop",
        description="What to do with the remainder at a scene's right and lower edge: drop it, or shift the last row "
        "and column of chips back until they fit, so that they overlap their neighbours",
    )
    max_cloud: float = Field(
        0.5, ge=0, le=1, description="Largest share of a chip's measured pixels under cloud or shadow (0 to 1)"
    )
    max_nodata: float = Field(
        0.5, ge=0, le=1, description="Largest share of a chip's pixels that the base sensor did not measure (0 to 1)"
    )
    reject_limit: float = Field(
        0.2, ge=0, le=1, description="Largest share of scenes that may be left out as bad (0 to 1)"
    )
    part_chips: int = Field(256, ge=1, le=65536, description="Chips after which a part is closed (number)")
    shard: str = Field(
        "0/1",
        pattern=r"^\d+/[1-9]\d*$",
        description="Which share of the scenes to build, as index/count: 0/4 is the first of four",
    )
    workers: int = Field(2, ge=1, le=256, description="Processes (number)", json_schema_extra=_RUNTIME)
    threads: int = Field(
        4, ge=1, le=64, description="Files read at once by each process (number)", json_schema_extra=_RUNTIME
    )
    retries: int = Field(
        4,
        ge=0,
        le=20,
        description="Times a failed web request is tried again, waiting longer each time (number)",
        json_schema_extra=_RUNTIME,
    )
    timeout: int = Field(
        60, ge=1, le=86_400, description="Longest time one web request may take (seconds)", json_schema_extra=_RUNTIME
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        index, count = self.shard_of
        if index >= count:
            raise ValueError(f"shard {self.shard}: the index must be below the count")
        unknown = [name for name in self.sensors if name not in SENSORS]
        if unknown:
            raise ValueError(f"sensors: there is no sensor {unknown[0]!r}; sensors are {', '.join(SENSORS)}")
        if len(set(self.sensors)) != len(self.sensors):
            raise ValueError("sensors: must name each sensor once")
        if self.sensors and len(_bases(self.sensors)) != 1:
            raise ValueError("sensors: exactly one base sensor is needed, as its scenes give time, grid and clouds")
        return self

    def foresee(self, inputs: Foreseen) -> Foreseen:
        """Return what chips there can be; sensors that no scene has cannot be stored."""
        if inputs.sensors is None:
            return replace(inputs, chip_size=self.chip_size)
        lacking = [name for name in self.sensors if name not in inputs.sensors]
        if lacking:
            raise ValueError(f"sensors: the scenes have no {lacking[0]}; they have {', '.join(inputs.sensors)}")
        gsd = SENSORS[_bases(inputs.sensors)[0]].gsd_m
        return replace(inputs, sensors=self.sensors or inputs.sensors, chip_size=self.chip_size, gsd=gsd)

    def require_machine(self) -> None:
        """Raise what this machine lacks: memory for the workers."""
        require_room("workers", self.workers, _WORKER_BYTES)

    @property
    def shard_of(self) -> tuple[int, int]:
        """The shard's index and the number of shards."""
        index, count = self.shard.split("/")
        return int(index), int(count)


def _bases(sensors: Sequence[str]) -> list[str]:
    """Return those of some sensors that can be a base."""
    return [name for name in sensors if SENSORS[name].role == "base"]


class MergeSpec(Spec):
    """How shards become one store; there is nothing to choose."""
