"""What is expected of pixels and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earthenware.sensors import WORLD_COVER_CLASSES
from earthenware.validation._check import Check, Finding, naming
from earthenware.validation._measure import PLAUSIBLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from earthenware.validation._spec import ValidateSpec

_BETWEEN: Final = "ExpectColumnValuesToBeBetween"
_IN_SET: Final = "ExpectColumnValuesToBeInSet"
_UNITS: Final = {"optical": "reflectance * 10000", "radar": "dB", "elevation": "m"}


def pixel_checks(spec: ValidateSpec) -> list[Check]:
    """Return the expectations about pixels and masks."""
    return [*_life(), *_ranges(spec), *_order(), *_masks(spec)]


def _life() -> list[Check]:
    return [
        Check(
            "band_alive",
            "scene_bands",
            _IN_SET,
            {"column": "dead", "value_set": [False]},
            "No optical or radar band holds one single value over a whole scene",
            naming(
                "bands of scenes",
                "are dead: all their pixels hold one value",
                "{sensor} {band} of {scene_id} (always {minimum:g})",
            ),
        ),
        Check(
            "chip_band_alive",
            "chip_bands",
            _IN_SET,
            {"column": "dead", "value_set": [False]},
            "No optical or radar band holds one single value over a whole chip",
            naming("bands of chips", "are constant", "{sensor} {band} of {chip_id} (always {minimum:g})"),
        ),
    ]


def _ranges(spec: ValidateSpec) -> list[Check]:
    checks = [
        Check(
            f"{kind}_range",
            f"{kind}_bands",
            _BETWEEN,
            {"column": "implausible_share", "max_value": spec.max_implausible},
            f"At most {spec.max_implausible:.2%} of the pixels of {'an' if kind[0] in 'eo' else 'a'} {kind} band lie "
            f"outside {low:g} to {high:g} {_UNITS[kind]}",
            _implausible(low, high, _UNITS[kind]),
        )
        for kind, (low, high) in PLAUSIBLE.items()
    ]
    codes = ", ".join(map(str, WORLD_COVER_CLASSES))
    return [
        *checks,
        Check(
            "land_cover_legend",
            "label_bands",
            _BETWEEN,
            {"column": "implausible", "max_value": 0},
            f"Land cover is given in the codes of ESA WorldCover ({codes})",
            lambda finding: (
                f"{finding.rows['implausible'].sum():,} of {finding.rows['valid'].sum():,} land-cover pixels hold a "
                f"code that ESA WorldCover does not have (values reach from {finding.rows['minimum'].min():g} to "
                f"{finding.rows['maximum'].max():g})."
            ),
        ),
    ]


def _implausible(low: float, high: float, unit: str) -> Callable[[Finding], str]:
    return naming(
        "bands",
        f"hold implausible values, outside {low:g} to {high:g} {unit}",
        "{sensor} {band} ({implausible_share:.2%} of its pixels; it reaches from {minimum:g} to {maximum:g})",
    )


def _order() -> list[Check]:
    return [
        Check(
            "vv_above_vh",
            "radar_scenes",
            _BETWEEN,
            {"column": "difference", "min_value": 0},
            "In each radar scene vv is brighter than vh on average",
            naming(
                "radar scenes",
                "have vh brighter than vv, as if the two bands were swapped",
                "{scene_id} (vv {vv:.1f} dB, vh {vh:.1f} dB)",
            ),
        ),
        Check(
            "nir_above_red",
            "vegetation",
            _BETWEEN,
            # Leaves reflect several times more in near infrared; without leaves, under haze, both are about the same.
            {"column": "ratio", "min_value": 0.8},
            "Over vegetation near infrared (B08) is not clearly darker than red (B04)",
            naming(
                "scenes",
                "are redder than near infrared over vegetation, as if bands were swapped or land cover misplaced",
                "{scene_id} (B04 {red:.0f}, B08 {near_infrared:.0f})",
            ),
        ),
    ]


def _masks(spec: ValidateSpec) -> list[Check]:
    return [
        Check(
            "mask_matches_pixels",
            "images",
            _BETWEEN,
            {"column": "disagreeing", "max_value": 0},
            "A pixel is flagged as nodata exactly where it holds no value in any band",
            naming(
                "images",
                "have nodata flags that disagree with their pixels",
                "{sensor} of {chip_id} ({flagged_but_measured} flagged pixels with values, "
                "{nodata_but_unflagged} unflagged pixels without)",
            ),
        ),
        Check(
            "nodata_fraction_matches_index",
            "images",
            _BETWEEN,
            {"column": "fraction_difference", "max_value": spec.fraction_tolerance},
            "The index states the nodata fraction that the mask has",
            naming(
                "images",
                "have another nodata fraction than the index states",
                "{sensor} of {chip_id} (stated {stated_nodata_fraction:.3f}, found {nodata_fraction:.3f})",
            ),
        ),
    ]
