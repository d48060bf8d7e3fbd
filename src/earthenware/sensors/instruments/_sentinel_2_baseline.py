"""What an item says about Sentinel-2's radiometric offset.

Since processing baseline 04.00 (operational on 2022-01-25, and used to reprocess the archive before that date) the
numbers of Level-2A are reflectance * 10000 + 1000 (BOA_ADD_OFFSET), 0 meaning no data. So the baseline decides, not the
date of acquisition. Some catalogs subtract the 1000 when they make their COGs and say so with a flag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from earthenware.sensors._sensor import Item, OffsetRule

BOA_OFFSET: Final = 1000
"""Digital numbers that processing baselines >= 04.00 add to reflectance * 10000."""

_FIRST_BASELINE: Final = 4.0
_FIRST_DAY: Final = datetime(2022, 1, 25, tzinfo=UTC)
_FLAGS: Final = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINES: Final = ("s2:processing_baseline", "sentinel:processing_baseline", "sentinel2:processing_baseline")
_PRODUCTS: Final = ("s2:product_uri", "sentinel:product_id", "s2:granule_id", "s2:datastrip_id")
_BASELINE_IN_NAME: Final = re.compile(r"_N(\d{2})\.?(\d{2})(?:_|\.|$)")


def declared_offset(item: Item, rule: OffsetRule) -> int:
    """Return the digital numbers that an item says must be subtracted: 0 or 1000.

    The catalog's flag says it where it counts, else the processing baseline, else the date. ``raster:bands`` is not
    read: Earth Search leaves ``offset: -0.1`` there after having subtracted it.

    Args:
        item: STAC item of a Sentinel-2 Level-2A scene.
        rule: That of its collection; where the collection is unknown, ``flag``.
    """
    properties: Mapping[str, Any] = item.get("properties") or {}
    if rule == "flag" and any(properties.get(name) is True for name in _FLAGS):
        return 0
    found = processing_baseline(item)
    if found is not None:
        return BOA_OFFSET if found >= _FIRST_BASELINE else 0
    acquired = _acquired(properties)
    return BOA_OFFSET if acquired is not None and acquired >= _FIRST_DAY else 0


def processing_baseline(item: Item) -> float | None:
    """Return the processing baseline of a Sentinel-2 item, such as 5.09, or None where nothing tells it."""
    properties: Mapping[str, Any] = item.get("properties") or {}
    for name in _BASELINES:
        try:
            return float(properties[name])
        except (KeyError, TypeError, ValueError):
            continue
    for name in _PRODUCTS:
        match = _BASELINE_IN_NAME.search(str(properties.get(name, "")))
        if match:
            return float(f"{match[1]}.{match[2]}")
    return None


def _acquired(properties: Mapping[str, Any]) -> datetime | None:
    for name in ("datetime", "start_datetime"):
        try:
            acquired = datetime.fromisoformat(str(properties[name]))
        except (KeyError, ValueError):
            continue
        return acquired if acquired.tzinfo else acquired.replace(tzinfo=UTC)
    return None
