"""Sentinel-2 Level-2A: surface reflectance in ten bands.

Central wavelengths are the means of the S2A and S2B values of ESA's "Sentinel-2 Spectral Response Functions"
(COPE-GSEG-EOPG-TN-15-0007, version 3.0), rounded to 0.1 nm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from earthenware.sensors._sensor import UNUSABLE, Band, Collection, Item, Mask, Quality, Sensor
from earthenware.sensors.instruments._sentinel import LICENCE
from earthenware.sensors.instruments._sentinel_2_offset import BOA_OFFSET, processing_baseline

_ANY: Final = (-2000.0, 20000.0)
_SCL: Final = "SCL"

_BY_COLOUR: Final[Mapping[str, tuple[str, ...]]] = {
    "B02": ("blue",),
    "B03": ("green",),
    "B04": ("red",),
    "B05": ("rededge1",),
    "B06": ("rededge2",),
    "B07": ("rededge3",),
    "B08": ("nir",),
    "B8A": ("nir08",),
    "B11": ("swir16",),
    "B12": ("swir22",),
    _SCL: ("scl",),
}
_BY_NUMBER: Final = {name: (name,) for name in _BY_COLOUR}
# Items from files come from anywhere: try both conventions.
_EITHER: Final = {name: _BY_NUMBER[name] + _BY_COLOUR[name] for name in _BY_NUMBER}

_MGRS: Final = re.compile(r"T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z][A-HJ-NP-V])")
_TILE_IN_NAME: Final = re.compile(r"_T?(\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])_")


def _site(item: Item) -> str:
    """Return the MGRS tile, such as 31UFS, or what the item's ``grid:code`` says of another grid."""
    properties: Mapping[str, Any] = item.get("properties") or {}
    code = str(properties.get("grid:code") or "")
    if code and not code.startswith("MGRS-"):
        return code
    parts = [
        "".join(str(properties.get(f"{prefix}:{part}", "")) for part in ("utm_zone", "latitude_band", "grid_square"))
        for prefix in ("mgrs", "sentinel")
    ]
    for text in (code.removeprefix("MGRS-"), str(properties.get("s2:mgrs_tile") or ""), *parts):
        match = _MGRS.fullmatch(text)
        if match:
            return f"{int(match[1]):02d}{match[2]}{match[3]}"
    for text in (item["id"], *(properties.get(key, "") for key in ("s2:product_uri", "sentinel:product_id"))):
        match = _TILE_IN_NAME.search(f"{text}_")
        if match:
            return match[1]
    return ""


def _nodata(item: Item) -> float:
    properties: Mapping[str, Any] = item.get("properties") or {}
    nodata = _percent(properties.get("s2:nodata_pixel_percentage"))
    covered = _percent(properties.get("sentinel:data_coverage", properties.get("data_coverage")))
    return 1 - covered if math.isnan(nodata) else nodata


def _percent(value: Any) -> float:
    return value / 100 if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


SENSOR: Final = Sensor(
    id="sentinel-2-l2a",
    title="Sentinel-2 Level-2A",
    kind="optical",
    role="base",
    bands=(
        Band("B02", "blue", 492.3, 10, _ANY),
        Band("B03", "green", 559.4, 10, _ANY),
        Band("B04", "red", 664.8, 10, _ANY),
        Band("B05", "rededge071", 704.0, 20, _ANY),
        Band("B06", "rededge075", 739.8, 20, _ANY),
        Band("B07", "rededge078", 781.3, 20, _ANY),
        Band("B08", "nir", 832.9, 10, _ANY),
        Band("B8A", "nir08", 864.4, 20, _ANY),
        Band("B11", "swir16", 1612.1, 20, _ANY),
        Band("B12", "swir22", 2194.1, 20, _ANY),
    ),
    gsd_m=10,
    scale=1.0,
    unit="reflectance * 10000",
    resampling="bilinear",
    measured="nonzero",  # 0 is "no data" in every Level-2A product, tagged or not
    saturated=65535,
    ignore=UNUSABLE,
    # Class 2 sets no flag: it marks dark surfaces (terrain shadow, burnt ground, lava, asphalt, dark water) that are
    # valid measurements, and flagging it would remove mountains in winter. Class 7 sets none either: it is "none of the
    # others". An item without this asset yields masks that lack cloud, shadow, water, snow and saturation.
    quality=Quality(
        band=_SCL,
        fill=0,
        codes={
            0: Mask.NODATA,
            1: Mask.SATURATED,
            3: Mask.SHADOW,
            6: Mask.WATER,
            8: Mask.CLOUD,
            9: Mask.CLOUD,
            10: Mask.CLOUD,
            11: Mask.SNOW,
        },
    ),
    offsets=BOA_OFFSET,
    true_colour=("B04", "B03", "B02"),
    groups={
        "rgb": ("B04", "B03", "B02"),
        "rededge": ("B05", "B06", "B07", "B8A"),
        "nir": ("B08",),
        "swir": ("B11", "B12"),
    },
    collections={
        # Not harmonised: +1000 is in the numbers from baseline 04.00 on (microsoft/PlanetaryComputer issue 134).
        "planetary-computer": (Collection("sentinel-2-l2a", _BY_NUMBER, LICENCE, "baseline"),),
        # `earthsearch:boa_offset_applied` is wrong for many items: false although the pixels were harmonised
        # (Element84/earth-search issues 9, 66, 71); `raster:bands` offset -0.1 stays even where the flag is true.
        "earth-search-v1": (
            Collection("sentinel-2-l2a", _BY_COLOUR, LICENCE, "flag"),
            Collection("sentinel-2-c1-l2a", _BY_COLOUR, LICENCE, "baseline"),
            Collection("sentinel-2-pre-c1-l2a", _BY_COLOUR, LICENCE, "flag"),
        ),
        "earth-search-v0": (Collection("sentinel-s2-l2a-cogs", _BY_NUMBER, LICENCE, "flag"),),
        "generic": (
            Collection("sentinel-2-l2a", _EITHER, LICENCE, "flag"),
            Collection("sentinel-2-c1-l2a", _EITHER, LICENCE, "baseline"),
            Collection("sentinel-2-pre-c1-l2a", _EITHER, LICENCE, "flag"),
            Collection("sentinel-s2-l2a-cogs", _EITHER, LICENCE, "flag"),
        ),
    },
    site_of=_site,
    nodata_of=_nodata,
    revision_of=processing_baseline,
)
"""Surface reflectance times 10000, the +1000 offset of newer products removed; small negative values are kept."""
