"""When the satellites pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from earthenware.sandbox._places import Place

_SLOTS = (1, 2, 0, 3)  # the first two dates stand on both sides of the day on which the offset came


@dataclass(frozen=True)
class Visit:
    """One pair of acquisitions.

    Attributes:
        optical: Time of the Sentinel-2 acquisition, in UTC.
        radar: Time of the Sentinel-1 acquisition, in UTC, at most six days away.
        ascending: Whether the radar's orbit goes north.
        flood: Whether the river is out of its bed.
    """

    optical: datetime
    radar: datetime
    ascending: bool
    flood: bool = False


def visits(place: Place, dates: int) -> list[Visit]:
    """Return the acquisitions of one place.

    Args:
        place: The place.
        dates: Number of Sentinel-2 acquisitions; the first place gets one more, its flood.

    Returns:
        Visits in order of time. A visit does not depend on ``dates``.
    """
    result = []
    for number in range(dates):
        rng = np.random.default_rng([place.seed, place.number, 10, number])
        turn, slot = divmod(number, len(_SLOTS))
        # Slots lie 0.83 years apart and half a year wide: seasons differ from one to the next.
        year = 2020.42 + 0.83 * _SLOTS[slot] + 0.5 * float(rng.random()) + 0.21 * turn
        day = datetime(int(year), 1, 1, tzinfo=UTC) + timedelta(days=int((year % 1) * 365))
        if slot == 0 and place.number % 6 == 4:
            # Around New Year the day of the year jumps: every sixth place is seen then.
            day = datetime(2021, 12, 29, tzinfo=UTC) + timedelta(days=int(rng.integers(0, 6)), weeks=turn * 52)
        # Orbits take turns: every place is seen from both sides.
        result.append(_visit(place, day, rng, ascending=(place.number + number) % 2 == 0))
    if place.number == 0:
        rng = np.random.default_rng([place.seed, place.number, 11])
        day = datetime(2022, 6, 2, tzinfo=UTC) + timedelta(days=int(rng.integers(0, 20)))
        result.append(_visit(place, day, rng, ascending=False, flood=True))
    return sorted(result, key=lambda visit: visit.optical)


def _visit(place: Place, day: datetime, rng: np.random.Generator, *, ascending: bool, flood: bool = False) -> Visit:
    """Give a day its hours: Sentinel-2 near 10:45 local solar time, Sentinel-1 near 06:00 or 18:00."""
    noon = day + timedelta(hours=12 - place.lon / 15)
    optical = noon - timedelta(minutes=75 - place.lat / 4) + timedelta(seconds=float(rng.normal(0, 240)))
    off = int(rng.integers(-1, 3)) if flood else int(rng.integers(-5, 6))
    radar = noon + timedelta(days=off, hours=5.9 if ascending else -6.1) + timedelta(seconds=float(rng.normal(0, 240)))
    return Visit(optical.replace(microsecond=24000), radar.replace(microsecond=0), ascending, flood)
