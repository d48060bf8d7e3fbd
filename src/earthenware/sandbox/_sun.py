"""Where the sun stands and how green the year is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np


@dataclass(frozen=True)
class Sun:
    """Direction of the sun.

    Attributes:
        zenith: Angle from the vertical, in radians.
        azimuth: Compass direction, in radians clockwise from north.
    """

    zenith: float
    azimuth: float


def day_of_year(moment: datetime) -> float:
    """Return the day of the year, 0 on 1 January at midnight."""
    return (moment - moment.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 86400


def sun_at(lon: float, lat: float, moment: datetime) -> Sun:
    """Return the direction of the sun, within about a degree.

    Args:
        lon: Longitude, in degrees.
        lat: Latitude, in degrees.
        moment: Time, in UTC.

    Returns:
        The direction; the zenith angle is held below 76 degrees, where Sentinel-2's surface reflectance ends.
    """
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day_of_year(moment) + 10) / 365.25)
    hours = moment.hour + moment.minute / 60 + moment.second / 3600 + lon / 15
    hour_angle = np.radians((hours - 12) * 15)
    phi = np.radians(lat)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    azimuth = np.pi + np.arctan2(
        np.sin(hour_angle), np.cos(hour_angle) * np.sin(phi) - np.tan(declination) * np.cos(phi)
    )
    return Sun(min(float(np.arccos(up)), float(np.radians(76))), float(azimuth % (2 * np.pi)))


def greenness(lat: float, day: float) -> float:
    """Return how green wild vegetation is, 0 (dormant) to 1 (peak), from the latitude and the day of the year.

    Summer is green in the temperate belts, the wet spring where winters bring the rain, the rains' end in the
    tropics, and nearly every month at the equator.
    """
    south = 0.0 if lat >= 0 else 182.6
    belt = abs(lat)
    if belt < 6:
        return 0.9
    if belt < 24:
        low, high, peak = 0.22, 1.0, 245.0
    elif belt < 39:
        low, high, peak = 0.2, 0.85, 95.0
    else:
        low, high, peak = 0.12, 1.0, 190.0
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * (day - peak - south) / 365.25)
    return float(low + (high - low) * wave**0.9)
