"""Sentinel-2's radiometric offset: what an item says about it, and whether the pixels agree.

Since processing baseline 04.00 (operational on 2022-01-25, and used to reprocess the archive before that date) the
numbers of Level-2A are reflectance * 10000 + 1000 (BOA_ADD_OFFSET), 0 meaning no data. So the baseline decides, not the
date of acquisition. Some catalogs subtract the 1000 when they make their COGs and say so with a flag. Because catalogs
are wrong about it, a physical test follows.

Reflectance cannot be negative by more than an atmospheric correction's error. With an offset of 1000 in the numbers a
digital number (DN) below 1000 is a negative reflectance, so numbers far below 1000, or many below it over sunlit land,
cannot carry the offset. The reverse, that nothing dark is seen, proves little: a desert has no dark pixel.

- *Red and short-wave infrared* are hardly disturbed by aerosol: 5 % of the valid pixels under DN 800 (reflectance
  -0.02) contradict the offset. Vegetation (red), water and snow (short-wave infrared) show it at once.
- *Blue and green* may be over-corrected by about 0.02 in shadow, haze or over water: there it takes 25 % of the pixels.
- *Dry sunlit land*, DN of 3000 or more at 1.6 um (reflectance 0.2 with the offset, 0.3 without), always reflects some
  blue: 10 % of such pixels under DN 1000 in blue contradict it. Soils and savannas show it here.
- An offset that is *not declared* is suspected where red or blue, and the short-wave infrared, each begin within
  DN 950 to 1250 and nothing lies below. That is reported, never acted upon: dark pixels could be absent by chance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from earthenware.sensors._sensor import Item, OffsetCheck, OffsetDecision, OffsetRule

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_OFFSET: Final = 1000  # digital numbers
_FIRST_BASELINE: Final = 4.0
_FIRST_DAY: Final = datetime(2022, 1, 25, tzinfo=UTC)
_FLAGS: Final = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINES: Final = ("s2:processing_baseline", "sentinel:processing_baseline", "sentinel2:processing_baseline")
_PRODUCTS: Final = ("s2:product_uri", "sentinel:product_id", "s2:granule_id", "s2:datastrip_id")
_BASELINE_IN_NAME: Final = re.compile(r"_N(\d{2})\.?(\d{2})(?:_|\.|$)")

# Visible and short-wave infrared bands, where natural surfaces are dark -> share of clear pixels below the floor that
# contradicts the offset.
_CLEAR_SHARE: Final[Mapping[str, float]] = {"B02": 0.25, "B03": 0.25, "B04": 0.05, "B11": 0.05, "B12": 0.05}
_FLOOR: Final = _OFFSET - 200
_DRY_LAND: Final = 3000
_DRY_LAND_SHARE: Final = 0.10
_DRY_LAND_PIXELS: Final = 0.01  # of the valid pixels, else too few to judge by
_SMALLEST_SAMPLE: Final = 200
_ONSET: Final = (_OFFSET - 50, _OFFSET + 250)


def _declared(item: Item, rule: OffsetRule) -> int:
    """Return 1000 or 0, as the catalog's flag says where it counts, else the processing baseline, else the date.

    ``raster:bands`` is not read: Earth Search leaves ``offset: -0.1`` there after having subtracted it.
    """
    properties: Mapping[str, Any] = item.get("properties") or {}
    if rule == "flag" and any(properties.get(name) is True for name in _FLAGS):
        return 0
    found = processing_baseline(item)
    if not math.isnan(found):
        return _OFFSET if found >= _FIRST_BASELINE else 0
    acquired = _acquired(properties)
    return _OFFSET if acquired is not None and acquired >= _FIRST_DAY else 0


def processing_baseline(item: Item) -> float:
    """Return the processing baseline of a Sentinel-2 item, such as 5.09; NaN where nothing tells it."""
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
    return math.nan


def _acquired(properties: Mapping[str, Any]) -> datetime | None:
    for name in ("datetime", "start_datetime"):
        try:
            acquired = datetime.fromisoformat(str(properties[name]))
        except (KeyError, ValueError):
            continue
        return acquired if acquired.tzinfo else acquired.replace(tzinfo=UTC)
    return None


@dataclass(frozen=True)
class _Evidence:
    """What the pixels of one scene say, before any offset is removed; shares are of its valid pixels, 0 to 1."""

    pixels: int = 0  # valid in some band
    darkest: Mapping[str, float] = field(default_factory=dict)  # band -> 0.1st percentile of DN
    onset: Mapping[str, float] = field(default_factory=dict)  # band -> 1st percentile of DN
    below_floor: Mapping[str, float] = field(default_factory=dict)  # band -> share with DN < 800
    dry_land: float = 0.0  # share with DN >= 3000 at 1.6 um (B11)
    dry_land_below: float = 0.0  # share of those with DN < 1000 in blue (B02)


def _evidence(dn: Mapping[str, npt.NDArray[Any]], valid: npt.NDArray[np.bool_] | None) -> _Evidence:
    """Count what raw numbers `[..., y, x]`, any sample of a scene's pixels, say about an offset.

    A pixel that is 0 in a band never counts for it. Bands that are not on one grid are a ValueError.
    """
    import numpy as np

    bands = {name: np.asarray(dn[name]) for name in _CLEAR_SHARE if name in dn}
    shapes = {array.shape for array in bands.values()} | ({valid.shape} if valid is not None and bands else set())
    if len(shapes) > 1:
        raise ValueError(f"the bands are not on one grid: shapes {sorted(shapes)}")
    if not bands:
        return _Evidence()
    looked_at = np.ones(next(iter(shapes)), dtype=bool) if valid is None else valid
    # Band by band: a publisher that clips negative values to 0 must not take the dark pixels of the other bands away.
    measured = {name: looked_at & np.isfinite(array) & (array > 0) for name, array in bands.items()}
    values = {name: bands[name][mask] for name, mask in measured.items() if mask.any()}
    low = {name: np.percentile(array, (0.1, 1.0)) for name, array in values.items()}
    pixels = int(np.logical_or.reduce(list(measured.values())).sum())
    dry_land, dry_land_below = 0.0, 0.0
    if {"B02", "B11"} <= values.keys():
        dry = measured["B02"] & measured["B11"] & (bands["B11"] >= _DRY_LAND)
        if dry.any():
            dry_land = float(dry.sum()) / pixels
            dry_land_below = float(np.mean(bands["B02"][dry] < _OFFSET))
    return _Evidence(
        pixels=pixels,
        darkest={name: float(percentiles[0]) for name, percentiles in low.items()},
        onset={name: float(percentiles[1]) for name, percentiles in low.items()},
        below_floor={name: float(np.mean(array < _FLOOR)) for name, array in values.items()},
        dry_land=dry_land,
        dry_land_below=dry_land_below,
    )


def _decide(
    declared: int, numbers: Mapping[str, npt.NDArray[Any]], valid: npt.NDArray[np.bool_] | None, doubt: float = 1.0
) -> OffsetDecision:
    evidence = _evidence(numbers, valid)
    seen = [evidence.darkest[band] for band in ("B02", "B03", "B04") if band in evidence.darkest]
    return replace(_judge(declared, evidence, doubt), dark_dn=min(seen) if seen else None)


def _judge(declared: int, evidence: _Evidence, doubt: float) -> OffsetDecision:
    """Subtract the declared offset, unless the pixels rule it out; of too few pixels nothing is asked."""
    if evidence.pixels < _SMALLEST_SAMPLE:
        return OffsetDecision(declared, declared, False, False, f"only {evidence.pixels} valid pixels: not checked")
    if declared == 0:
        suspected = _looks_shifted(evidence)
        reason = (
            "no offset is declared, yet several bands begin just above 1000 as if there were one; not removed"
            if suspected
            else "no offset is declared"
        )
        return OffsetDecision(0, 0, False, suspected, reason)
    against = _contradiction(evidence, declared, doubt)
    if against:
        return OffsetDecision(0, declared, True, False, f"{against}: the numbers carry no offset")
    return OffsetDecision(declared, declared, False, False, f"the pixels do not contradict the declared {declared}")


def _contradiction(evidence: _Evidence, declared: int, doubt: float) -> str:
    for band, share in evidence.below_floor.items():
        if share >= doubt * _CLEAR_SHARE[band]:
            return (
                f"{share:.0%} of the valid pixels have DN below {_FLOOR} in {band}, a reflectance under "
                f"{(_FLOOR - declared) / 10000:.2f} once {declared} is subtracted"
            )
    if evidence.dry_land >= doubt * _DRY_LAND_PIXELS and evidence.dry_land_below >= doubt * _DRY_LAND_SHARE:
        return f"{evidence.dry_land_below:.0%} of the dry sunlit land has negative blue once {declared} is subtracted"
    return ""


def _looks_shifted(evidence: _Evidence) -> bool:
    low, high = _ONSET
    if not evidence.darkest or min(evidence.darkest.values()) < low:
        return False
    begins = {band for band, onset in evidence.onset.items() if low <= onset <= high}
    return bool(begins & {"B02", "B04"}) and bool(begins & {"B11", "B12"}) and len(begins) >= 3


BOA_OFFSET: Final = OffsetCheck(bands=tuple(_CLEAR_SHARE), size=_OFFSET, declared=_declared, decide=_decide)
