"""Land cover: maps of several publishers, expressed in the codes of ESA WorldCover."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from earthenware.errors import EarthenwareError
from earthenware.sensors._encoding import NODATA
from earthenware.sensors._sensor import Band, Collection, Item, Sensor
from earthenware.sensors.instruments._licences import CC_BY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_CLASSES: Final[Mapping[int, str]] = MappingProxyType(
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

_WORLD_COVER: Final = {code: code for code in _CLASSES}
# Impact Observatory's global map of 2020, ten classes: grass and scrub apart.
_TEN_CLASSES: Final = {1: 80, 2: 10, 3: 30, 4: 90, 5: 40, 6: 20, 7: 50, 8: 60, 9: 70}
# Its annual series since 2017, nine classes: grass and scrub are one class, 11 rangeland, with the old numbers kept.
_NINE_CLASSES: Final = {1: 80, 2: 10, 4: 90, 5: 40, 7: 50, 8: 60, 9: 70, 11: 30}
# The nine classes renumbered without gaps, as re-published extracts have them; 8 is cloud.
_NINE_CLASSES_COMPACT: Final = {1: 80, 2: 10, 3: 90, 4: 40, 5: 50, 6: 60, 7: 70, 9: 30}


def _lookup(item: Item) -> npt.NDArray[np.int16]:
    """Return the table that turns a land-cover item's pixel codes into WorldCover codes.

    Args:
        item: STAC item of a land-cover map.

    Returns:
        int16 `[256]`: WorldCover code at each pixel code, nodata where the code means none (no data, cloud).

    Raises:
        EarthenwareError: ``BAD_SCENE``; the item's collection is no land-cover map known here.
    """
    import numpy as np

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
        raise EarthenwareError(
            "BAD_SCENE",
            f"No land-cover legend is known for collection {collection!r} of item {item.get('id')!r}.",
            "Query another land-cover collection, or leave land-cover out of the sensors.",
        )
    table = np.full(256, NODATA, dtype=np.int16)
    table[list(codes)] = list(codes.values())
    return table


def _world_cover(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    import numpy as np

    table = _lookup(item)
    known = np.isfinite(numbers) & (numbers >= 0) & (numbers <= 255)
    codes = np.where(known, table[np.where(known, numbers, 0).astype(np.uint8)], NODATA).astype(np.float32)
    codes[codes == NODATA] = np.nan
    return codes


_MAPS: Final = (
    Collection("esa-worldcover", {"class": ("map",)}, CC_BY),
    *(Collection(name, {"class": ("data",)}, CC_BY) for name in ("io-lulc-annual-v02", "io-lulc-9-class", "io-lulc")),
)

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
    collections={"planetary-computer": _MAPS, "generic": _MAPS},
)
"""Land cover in the codes of ESA WorldCover, from whichever map the catalog has."""
