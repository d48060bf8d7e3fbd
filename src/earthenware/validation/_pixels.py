"""Pixels and masks: what was measured, brought together per band and per scene, and what is expected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from earthenware.sensors import SENSORS
from earthenware.validation._check import BETWEEN, IN_SET, Check, naming

if TYPE_CHECKING:
    import pandas as pd

    from earthenware.validation._examine import Examination
    from earthenware.validation._limits import Limits

_FEWEST_PIXELS: Final = 256
"""Valid pixels that a band must have before its being constant, or brighter than another, means anything."""


def pixel_tables(examination: Examination) -> dict[str, pd.DataFrame]:
    """Return the tables that the expectations about pixels look at.

    Args:
        examination: The measurements.

    Returns:
        Tables by name; one whose subject the store does not have (no radar, no land cover) is left out.
    """
    join = examination.table
    digests = join(examination.digests)
    tables = {"digests": digests}
    if len(digests):
        tables["intact"] = digests[digests["readable"]].reset_index(drop=True)
    if not examination.images:
        return tables
    images, chip_bands = join(examination.images), join(examination.bands)
    images["disagreeing"] = images["flagged_but_measured"] + images["nodata_but_unflagged"]
    images["fraction_difference"] = (images["nodata_fraction"] - images["stated_nodata_fraction"]).abs()
    tables["images"] = images
    chip_bands["dead"] = _is_dead(chip_bands)
    tables["chip_bands"] = chip_bands
    tables["scene_bands"] = _per(chip_bands, ["scene_id", "sensor", "kind", "band"])
    tables["bands"] = _per(chip_bands, ["sensor", "kind", "band", "low", "high", "unit"])
    for kind, bands in tables["bands"].groupby("kind"):
        tables[f"{kind}_bands"] = bands.reset_index(drop=True)
    polarisations = _polarisations(tables["scene_bands"])
    if len(polarisations):
        tables["radar_scenes"] = polarisations
    if examination.vegetation:
        tables["vegetation"] = _vegetation(join(examination.vegetation))
    return tables


def _is_dead(bands: pd.DataFrame) -> pd.Series:
    """Tell which optical or radar bands hold one single value; flat terrain and uniform maps are no defect."""
    measured = bands["kind"].isin(["optical", "radar"]) & (bands["valid"] >= _FEWEST_PIXELS)
    return measured & (bands["minimum"] == bands["maximum"])


def _per(chip_bands: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = chip_bands.groupby(keys, sort=True, observed=True)
    table = grouped.agg(
        chips=("chip_id", "nunique"),
        valid=("valid", "sum"),
        total=("sum", "sum"),
        squares=("squares", "sum"),
        minimum=("minimum", "min"),
        maximum=("maximum", "max"),
        implausible=("implausible", "sum"),
        pixels=("pixels", "sum"),
    ).reset_index()
    count = table["valid"].where(table["valid"] > 0)
    table["mean"] = table["total"] / count
    table["std"] = np.sqrt((table["squares"] / count - table["mean"] ** 2).clip(lower=0))
    table["nodata_fraction"] = 1 - table["valid"] / table["pixels"].where(table["pixels"] > 0)
    table["implausible_share"] = table["implausible"] / count
    table["dead"] = _is_dead(table)
    return table.drop(columns=["total", "squares"])


def _polarisations(scene_bands: pd.DataFrame) -> pd.DataFrame:
    """Return vv, vh and vv - vh per radar scene, means in dB."""
    radar = scene_bands[(scene_bands["kind"] == "radar") & (scene_bands["valid"] >= _FEWEST_PIXELS)]
    means = radar.pivot(index=["sensor", "scene_id"], columns="band", values="mean")
    if not {"vv", "vh"} <= set(means.columns):
        return means.iloc[:0]
    means["difference"] = means["vv"] - means["vh"]
    return means.dropna(subset="difference").reset_index()


def _vegetation(chips: pd.DataFrame) -> pd.DataFrame:
    """Return mean red and near infrared over vegetation per sensor and scene, and their ratio."""
    scenes = chips.groupby(["sensor", "scene_id"], sort=True).sum().reset_index()
    scenes = scenes[scenes["vegetation"] >= _FEWEST_PIXELS].copy()
    for band in ("red", "near_infrared"):
        scenes[band] = scenes[band] / scenes["vegetation"]
    scenes["ratio"] = scenes["near_infrared"] / scenes["red"].clip(lower=1)
    return scenes.reset_index(drop=True)


def pixel_checks(spec: Limits) -> list[Check]:
    """Return the expectations about pixels and masks."""
    return [*_life(), *_ranges(spec), *_order(), *_masks(spec)]


def _life() -> list[Check]:
    return [
        Check(
            "band_alive",
            "scene_bands",
            IN_SET,
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
            IN_SET,
            {"column": "dead", "value_set": [False]},
            "No optical or radar band holds one single value over a whole chip",
            naming("bands of chips", "are constant", "{sensor} {band} of {chip_id} (always {minimum:g})"),
            severity="warn",
        ),
    ]


def _ranges(spec: Limits) -> list[Check]:
    kinds = sorted({one.kind for one in SENSORS.values() if not one.legend})
    checks = [
        Check(
            f"{kind}_range",
            f"{kind}_bands",
            BETWEEN,
            {"column": "implausible_share", "max_value": spec.max_implausible},
            f"At most {spec.max_implausible:.2%} of the pixels of {'an' if kind[0] in 'eo' else 'a'} {kind} band are "
            "outside what its sensor can measure",
            naming(
                "bands",
                "hold implausible values",
                "{sensor} {band} ({implausible_share:.2%} of its pixels outside {low:g} to {high:g} {unit}; it reaches "
                "from {minimum:g} to {maximum:g})",
            ),
        )
        for kind in kinds
    ]
    codes = ", ".join(str(code) for one in SENSORS.values() for code in one.legend)
    return [
        *checks,
        Check(
            "land_cover_legend",
            "label_bands",
            BETWEEN,
            {"column": "implausible", "max_value": 0},
            f"Land cover is given in the codes of ESA WorldCover ({codes})",
            lambda finding: (
                f"{finding.rows['implausible'].sum():,} of {finding.rows['valid'].sum():,} land-cover pixels hold a "
                f"code that ESA WorldCover does not have (values reach from {finding.rows['minimum'].min():g} to "
                f"{finding.rows['maximum'].max():g})."
            ),
        ),
    ]


def _order() -> list[Check]:
    return [
        Check(
            "vv_above_vh",
            "radar_scenes",
            BETWEEN,
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
            BETWEEN,
            # Leaves reflect several times more in near infrared; without leaves, under haze, both are about the same.
            {"column": "ratio", "min_value": 0.8},
            "Over vegetation near infrared is not clearly darker than red",
            naming(
                "scenes",
                "are redder than near infrared over vegetation, as if bands were swapped or land cover misplaced",
                "{scene_id} (red {red:.0f}, near infrared {near_infrared:.0f})",
            ),
            severity="warn",
        ),
    ]


def _masks(spec: Limits) -> list[Check]:
    return [
        Check(
            "mask_matches_pixels",
            "images",
            BETWEEN,
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
            BETWEEN,
            {"column": "fraction_difference", "max_value": spec.fraction_tolerance},
            "The index states the nodata fraction that the mask has",
            naming(
                "images",
                "have another nodata fraction than the index states",
                "{sensor} of {chip_id} (stated {stated_nodata_fraction:.3f}, found {nodata_fraction:.3f})",
            ),
        ),
    ]
