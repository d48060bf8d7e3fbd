"""Does a declared offset agree with the pixels? A physical test, because catalogs are wrong about it.

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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from earthenware.sensors._sensor import Item, OffsetDecision, OffsetRule
from earthenware.sensors.instruments._sentinel_2_baseline import BOA_OFFSET, declared_offset

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EVIDENCE_BANDS: Final = ("B02", "B03", "B04", "B11", "B12")
"""Visible and short-wave infrared bands, where natural surfaces are dark."""

_FLOOR: Final = BOA_OFFSET - 200
_CLEAR_SHARE: Final[Mapping[str, float]] = {"B02": 0.25, "B03": 0.25, "B04": 0.05, "B11": 0.05, "B12": 0.05}
_DRY_LAND: Final = 3000
_DRY_LAND_SHARE: Final = 0.10
_DRY_LAND_PIXELS: Final = 0.01  # of the valid pixels, else too few to judge by
_SMALLEST_SAMPLE: Final = 200
_ONSET: Final = (BOA_OFFSET - 50, BOA_OFFSET + 250)


@dataclass(frozen=True)
class OffsetEvidence:
    """What the pixels of one scene say, before any offset is removed.

    Attributes:
        pixels: Number of pixels that are valid in some band.
        darkest: Band -> 0.1st percentile of DN.
        onset: Band -> 1st percentile of DN.
        below_floor: Band -> share (0..1) of valid pixels with DN < 800.
        dry_land: Share (0..1) of valid pixels with DN >= 3000 at 1.6 um (B11).
        dry_land_below: Share (0..1) of those with DN < 1000 in blue (B02).
    """

    pixels: int
    darkest: Mapping[str, float]
    onset: Mapping[str, float]
    below_floor: Mapping[str, float]
    dry_land: float
    dry_land_below: float


def offset_evidence(dn: Mapping[str, npt.NDArray[Any]], valid: npt.NDArray[np.bool_] | None = None) -> OffsetEvidence:
    """Count what the numbers of a scene say about an offset.

    Args:
        dn: Band name -> raw digital numbers `[..., y, x]`, all on one grid, 0 meaning no data; of ``EVIDENCE_BANDS``
            those that are there. Any sample of the scene's pixels will do.
        valid: Pixels to look at, of the same shape; None for all. A pixel that is 0 in a band never counts for it.

    Returns:
        The evidence.

    Raises:
        ValueError: The bands are not on one grid.
    """
    import numpy as np

    bands = {name: np.asarray(dn[name]) for name in EVIDENCE_BANDS if name in dn}
    shapes = {array.shape for array in bands.values()} | ({valid.shape} if valid is not None and bands else set())
    if len(shapes) > 1:
        raise ValueError(f"the bands are not on one grid: shapes {sorted(shapes)}")
    if not bands:
        return OffsetEvidence(0, {}, {}, {}, 0.0, 0.0)
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
            dry_land_below = float(np.mean(bands["B02"][dry] < BOA_OFFSET))
    return OffsetEvidence(
        pixels=pixels,
        darkest={name: float(percentiles[0]) for name, percentiles in low.items()},
        onset={name: float(percentiles[1]) for name, percentiles in low.items()},
        below_floor={name: float(np.mean(array < _FLOOR)) for name, array in values.items()},
        dry_land=dry_land,
        dry_land_below=dry_land_below,
    )


def decide_offset(declared: int, evidence: OffsetEvidence, doubt: float = 1.0) -> OffsetDecision:
    """Decide which offset to subtract: the declared one, unless the pixels rule it out.

    Args:
        declared: Digital numbers to subtract after the item's metadata (``declared_offset``).
        evidence: What the pixels say (``offset_evidence``).
        doubt: How many times the usual evidence it takes to contradict the declaration.

    Returns:
        The decision; with fewer than 200 valid pixels the declaration stands.
    """
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


def _contradiction(evidence: OffsetEvidence, declared: int, doubt: float) -> str:
    for band, share in evidence.below_floor.items():
        if share >= doubt * _CLEAR_SHARE[band]:
            return (
                f"{share:.0%} of the valid pixels have DN below {_FLOOR} in {band}, a reflectance under "
                f"{(_FLOOR - declared) / 10000:.2f} once {declared} is subtracted"
            )
    if evidence.dry_land >= doubt * _DRY_LAND_PIXELS and evidence.dry_land_below >= doubt * _DRY_LAND_SHARE:
        return f"{evidence.dry_land_below:.0%} of the dry sunlit land has negative blue once {declared} is subtracted"
    return ""


def _looks_shifted(evidence: OffsetEvidence) -> bool:
    low, high = _ONSET
    if not evidence.darkest or min(evidence.darkest.values()) < low:
        return False
    begins = {band for band, onset in evidence.onset.items() if low <= onset <= high}
    return bool(begins & {"B02", "B04"}) and bool(begins & {"B11", "B12"}) and len(begins) >= 3


class BoaOffset:
    """How Sentinel-2's offset is found out."""

    bands = EVIDENCE_BANDS
    size = BOA_OFFSET

    def declared(self, item: Item, rule: OffsetRule) -> int:
        """Return the digital numbers that an item says must be subtracted: 0 or 1000."""
        return declared_offset(item, rule)

    def decide(
        self,
        declared: int,
        numbers: Mapping[str, npt.NDArray[Any]],
        valid: npt.NDArray[np.bool_] | None,
        *,
        doubt: float = 1.0,
    ) -> OffsetDecision:
        """Decide from raw numbers `[..., y, x]` of the bands, 0 meaning no data, and from which of them are valid."""
        evidence = offset_evidence(numbers, valid)
        seen = [evidence.darkest[band] for band in ("B02", "B03", "B04") if band in evidence.darkest]
        return replace(decide_offset(declared, evidence, doubt), dark_dn=min(seen) if seen else None)
