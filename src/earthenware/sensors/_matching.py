"""How scenes of different sensors are matched in time: constants with their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class TimeMatch:
    """When an acquisition belongs to a Sentinel-2 scene.

    Attributes:
        max_days: Largest distance in time in days, either side; None where time does not matter.
        reason: Why.
    """

    max_days: float | None
    reason: str


TIME_MATCHES: Final[Mapping[str, TimeMatch]] = MappingProxyType(
    {
        "sentinel-1-rtc": TimeMatch(6.0, "one satellite repeats its orbit every 12 days: the nearest pass is within 6"),
        "cop-dem-glo-30": TimeMatch(None, "one static product"),
        "land-cover": TimeMatch(None, "annual maps: the nearest year is taken"),
    }
)
"""Time windows by sensor id."""
