"""Legends: Sentinel-2 scene classes, and land-cover maps expressed in ESA WorldCover codes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from earthenware.sensors._encoding import NODATA

SCL_CLASSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "no data",
        1: "saturated or defective",
        2: "dark area (topographic or cast shadow)",
        3: "cloud shadow",
        4: "vegetation",
        5: "not vegetated",
        6: "water",
        7: "unclassified",
        8: "cloud, medium probability",
        9: "cloud, high probability",
        10: "thin cirrus",
        11: "snow or ice",
    }
)
"""Sentinel-2 scene classification (SCL band of Level-2A), after the Level-2A algorithm document of ESA."""

SCL_FLAGS: Final[Mapping[str, frozenset[int]]] = MappingProxyType(
    {
        "nodata": frozenset({0}),
        "saturated": frozenset({1}),
        "shadow": frozenset({3}),
        "water": frozenset({6}),
        "cloud": frozenset({8, 9, 10}),
        "snow": frozenset({11}),
    }
)
"""Scene classes behind each mask flag.

Class 2 sets no flag: it marks dark surfaces (terrain shadow, burnt ground, lava, asphalt, dark water) that are valid
measurements, and flagging it would remove mountains in winter. Class 7 sets none either: it is "none of the others".
A catalog without an SCL asset yields masks that lack cloud, shadow, water, snow and saturation; only nodata is known.
"""

WORLD_COVER_CLASSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        10: "tree cover",
        20: "shrubland",
        30: "grassland",
        40: "cropland",
        50: "built-up",
        60: "bare or sparse vegetation",
        70: "snow and ice",
        80: "permanent water",
        90: "herbaceous wetland",
        95: "mangroves",
        100: "moss and lichen",
    }
)
"""Legend of ESA WorldCover (2020 v100 and 2021 v200)."""

_WORLD_COVER: Final = {code: code for code in WORLD_COVER_CLASSES}
# Impact Observatory's global map of 2020, ten classes: grass and scrub apart.
_TEN_CLASSES: Final = {1: 80, 2: 10, 3: 30, 4: 90, 5: 40, 6: 20, 7: 50, 8: 60, 9: 70}
# Its annual series since 2017, nine classes: grass and scrub are one class, 11 rangeland, with the old numbers kept.
_NINE_CLASSES: Final = {1: 80, 2: 10, 4: 90, 5: 40, 7: 50, 8: 60, 9: 70, 11: 30}
# The nine classes renumbered without gaps, as re-published extracts have them; 8 is cloud.
_NINE_CLASSES_COMPACT: Final = {1: 80, 2: 10, 3: 90, 4: 40, 5: 50, 6: 60, 7: 70, 9: 30}


def land_cover_lookup(item: Mapping[str, Any]) -> npt.NDArray[np.int16]:
    """Return the table that turns a land-cover item's pixel codes into WorldCover codes.

    Args:
        item: STAC item of a land-cover map.

    Returns:
        int16 `[256]`: WorldCover code at each pixel code, nodata where the code means none (no data, cloud).

    Raises:
        ValueError: The item's collection is no land-cover map known here.
    """
    collection = str(item.get("collection") or "")
    if collection == "esa-worldcover":
        codes = _WORLD_COVER
    elif collection in {"io-lulc-annual-v02", "io-lulc-9-class"}:
        codes = _NINE_CLASSES
    elif collection == "io-lulc":
        # Items of the publisher itself carry its own properties; extracts of the map do not.
        own = any(key.startswith("io:") for key in item.get("properties") or {})
        codes = _TEN_CLASSES if own else _NINE_CLASSES_COMPACT
    else:
        raise ValueError(f"no land-cover legend is known for collection {collection!r}")
    table = np.full(256, NODATA, dtype=np.int16)
    table[list(codes)] = list(codes.values())
    return table
