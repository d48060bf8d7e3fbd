"""Land cover: maps of several publishers, expressed in the codes of ESA WorldCover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from earthenware.errors import EarthenwareError
from earthenware.sensors._sensor import Band, Collection, Item, Sensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_CLASSES: Final[Mapping[int, str]] = {
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
"""Legend of ESA WorldCover (2020 v100 and 2021 v200)."""

# Impact Observatory's global map of 2020, ten classes: grass and scrub apart.
_TEN_CLASSES: Final = {1: 80, 2: 10, 3: 30, 4: 90, 5: 40, 6: 20, 7: 50, 8: 60, 9: 70}
# Its annual series since 2017, nine classes: grass and scrub are one class, 11 rangeland, with the old numbers kept.
_NINE_CLASSES: Final = {1: 80, 2: 10, 4: 90, 5: 40, 7: 50, 8: 60, 9: 70, 11: 30}
# The nine classes renumbered without gaps, as re-published extracts have them; 8 is cloud.
_NINE_CLASSES_COMPACT: Final = {1: 80, 2: 10, 3: 90, 4: 40, 5: 50, 6: 60, 7: 70, 9: 30}

# Collection -> name of its asset, and the WorldCover code of each of its own.
_MAPS: Final[Mapping[str, tuple[str, Mapping[int, int]]]] = {
    "esa-worldcover": ("map", {code: code for code in _CLASSES}),
    "io-lulc-annual-v02": ("data", _NINE_CLASSES),
    "io-lulc-9-class": ("data", _NINE_CLASSES),
    "io-lulc": ("data", _NINE_CLASSES_COMPACT),
}


def _world_cover(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    """Turn a map's codes into WorldCover's; what means none (no data, cloud) becomes NaN.

    Raises:
        EarthenwareError: ``BAD_SCENE``; the item's collection is no land-cover map known here.
    """
    import numpy as np

    collection = str(item.get("collection") or "")
    if collection not in _MAPS:
        raise EarthenwareError(
            "BAD_SCENE",
            f"No land-cover legend is known for collection {collection!r} of item {item.get('id')!r}.",
            "Query another land-cover collection, or leave land-cover out of the sensors.",
        )
    _, codes = _MAPS[collection]
    # Items of the publisher itself carry its own properties; extracts of the map do not.
    if collection == "io-lulc" and any(key.startswith("io:") for key in item.get("properties") or {}):
        codes = _TEN_CLASSES
    table = np.full(256, np.nan, dtype=np.float32)
    table[list(codes)] = list(codes.values())
    known = np.isfinite(numbers) & (numbers >= 0) & (numbers <= 255)
    return np.where(known, table[np.where(known, numbers, 0).astype(np.uint8)], np.float32(np.nan))


_COLLECTIONS: Final = tuple(Collection(name, {"class": (asset,)}, "CC-BY-4.0") for name, (asset, _) in _MAPS.items())

SENSOR: Final = Sensor(
    id="land-cover",
    title="Land cover",
    kind="label",
    role="label",
    bands=(Band("class", "", None, 10),),
    gsd_m=10,
    scale=1.0,
    unit="ESA WorldCover class",
    resampling="nearest",
    physical=_world_cover,
    legend=_CLASSES,
    collections=dict.fromkeys(("planetary-computer", "generic"), _COLLECTIONS),
)
"""Land cover in the codes of ESA WorldCover, from whichever map the catalog has."""
