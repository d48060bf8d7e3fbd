"""Landsat 8 and 9, Collection 2 Level-2: surface reflectance in seven bands.

Central wavelengths are those of Landsat 8's OLI (Barsi et al. 2014, "The Spectral Response of the Landsat-8
Operational Land Imager"), rounded to 0.1 nm. Scale, offset and the bits of QA_PIXEL are those of the Landsat 8-9
Collection 2 Level 2 Science Product Guide (LSDS-1619).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from earthenware.sensors._sensor import UNUSABLE, Band, Collection, Item, Mask, Quality, Sensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ANY: Final = (-2000.0, 20000.0)
_ASSETS: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (name,) for name in ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")},
    "QA_PIXEL": ("qa_pixel",),
}
_PUBLIC_DOMAIN: Final = "USGS Landsat Collection 2, public domain (attribution asked for)"


def _reflectance(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    """Return reflectance times 10000, the unit of Sentinel-2: reflectance = number * 0.0000275 - 0.2."""
    import numpy as np

    return np.asarray(numbers, dtype=np.float32) * np.float32(0.275) - np.float32(2000)


def _site(item: Item) -> str:
    """Return path and row of the Worldwide Reference System, such as WRS2-086107."""
    properties: Mapping[str, Any] = item.get("properties") or {}
    code = str(properties.get("grid:code") or "")
    if code:
        return code
    try:
        path, row = (int(properties[f"landsat:wrs_{part}"]) for part in ("path", "row"))
    except (KeyError, TypeError, ValueError):
        return ""
    return f"WRS{properties.get('landsat:wrs_type') or 2}-{path:03d}{row:03d}"


def _revision(item: Item) -> float:
    """Rank the geometric quality of a product: Tier 1 before Tier 2 before the provisional real-time one."""
    category = str((item.get("properties") or {}).get("landsat:collection_category") or "")
    return {"T1": 2.0, "T2": 1.0, "RT": 0.0}.get(category, math.nan)


SENSOR: Final = Sensor(
    id="landsat-c2-l2",
    title="Landsat 8-9 Collection 2 Level-2",
    kind="optical",
    role="base",
    bands=(
        Band("coastal", "coastal", 443.0, 30, _ANY),
        Band("blue", "blue", 482.0, 30, _ANY),
        Band("green", "green", 561.4, 30, _ANY),
        Band("red", "red", 654.6, 30, _ANY),
        Band("nir08", "nir08", 864.7, 30, _ANY),
        Band("swir16", "swir16", 1608.9, 30, _ANY),
        Band("swir22", "swir22", 2200.7, 30, _ANY),
    ),
    gsd_m=30,
    scale=1.0,
    unit="reflectance * 10000",
    resampling="bilinear",
    measured="nonzero",
    physical=_reflectance,
    saturated=65535,
    ignore=UNUSABLE,
    quality=Quality(
        band="QA_PIXEL",
        fill=1,
        bits={
            0: Mask.NODATA,
            1: Mask.CLOUD,  # dilated: the rim of a cloud
            2: Mask.CLOUD,  # cirrus of high confidence
            3: Mask.CLOUD,
            4: Mask.SHADOW,
            5: Mask.SNOW,
            7: Mask.WATER,
        },
    ),
    true_colour=("red", "green", "blue"),
    groups={
        "coastal": ("coastal",),
        "rgb": ("red", "green", "blue"),
        "nir": ("nir08",),
        "swir": ("swir16", "swir22"),
    },
    collections={
        "planetary-computer": (Collection("landsat-c2-l2", _ASSETS, _PUBLIC_DOMAIN),),
        "earth-search-v1": (Collection("landsat-c2-l2", _ASSETS, _PUBLIC_DOMAIN),),
        "generic": (
            Collection("landsat-c2-l2", _ASSETS, _PUBLIC_DOMAIN),
            Collection("landsat-c2l2-sr", _ASSETS, _PUBLIC_DOMAIN),
        ),
    },
    # Older Landsats share the collection and lack the coastal band.
    only={"platform": ("landsat-8", "landsat-9", "LANDSAT_8", "LANDSAT_9")},
    site_of=_site,
    revision_of=_revision,
)
"""Surface reflectance times 10000; small negative values are kept."""
