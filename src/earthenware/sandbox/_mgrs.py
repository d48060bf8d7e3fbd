"""Names of the 100 km squares of the Military Grid Reference System, which Sentinel-2 tiles carry."""

from __future__ import annotations

from typing import Final

_BANDS: Final = "CDEFGHJKLMNPQRSTUVWX"
_COLUMNS: Final = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"


def mgrs_square(zone: int, lat: float, easting: float, northing: float) -> str:
    """Return the square that holds a point, such as ``33UXP``.

    Args:
        zone: UTM zone, 1 to 60.
        lat: Latitude, in degrees, -80 to 84.
        easting: Easting in the zone, in metres.
        northing: Northing in the zone, in metres (with the false northing of the southern hemisphere).

    Returns:
        Zone, latitude band and square.
    """
    band = _BANDS[min(int((lat + 80) // 8), len(_BANDS) - 1)]
    column = _COLUMNS[(zone - 1) % 3][int(easting // 100_000) - 1]
    row = _ROWS[(int(northing // 100_000) + (0 if zone % 2 else 5)) % 20]
    return f"{zone:02d}{band}{column}{row}"
