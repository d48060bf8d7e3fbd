"""Pixels and masks: what was measured, brought together per band and per scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from earthenware.validation._examine import Examination

_FEWEST_PIXELS: Final = 256
"""Valid pixels that a band must have before its being constant, or brighter than another, means anything."""


def pixel_tables(examination: Examination) -> dict[str, pd.DataFrame]:
    """Return the tables that the expectations about pixels look at, by name.

    One whose subject the store does not have (no radar, no land cover) is left out.
    """
    digests = _joined(examination.digests)
    tables = {"digests": digests, "intact": digests[digests["readable"]]}
    if not examination.images:
        return tables
    images, chip_bands = _joined(examination.images), _joined(examination.bands)
    images["disagreeing"] = images["flagged_but_measured"] + images["nodata_but_unflagged"]
    images["fraction_difference"] = (images["nodata_fraction"] - images["stated_nodata_fraction"]).abs()
    tables["images"] = images
    chip_bands["dead"] = _is_dead(chip_bands)
    tables["chip_bands"] = chip_bands
    tables["scene_bands"] = _per(chip_bands, ["scene_id", "sensor", "kind", "band"])
    tables["bands"] = _per(chip_bands, ["sensor", "kind", "band", "low", "high", "unit"])
    for kind, bands in tables["bands"].groupby("kind"):
        tables[f"{kind}_bands"] = bands
    polarisations = _polarisations(tables["scene_bands"])
    if len(polarisations):
        tables["radar_scenes"] = polarisations
    if examination.vegetation:
        tables["vegetation"] = _vegetation(_joined(examination.vegetation))
    return tables


def _joined(blocks: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([pd.DataFrame(block) for block in blocks], ignore_index=True)


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
    return scenes
