"""What was measured in the pixels, brought together per band and per scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from earthenware.chips import column
from earthenware.sensors import decide_offset
from earthenware.validation._examine import OPTICAL, RADAR, Examination

if TYPE_CHECKING:
    import pandas as pd

_FEWEST_PIXELS: Final = 256
"""Valid pixels that a band must have before its being constant, or brighter than another, means anything."""

_DRY_LAND: Final = 0.02
"""Share of dry sunlit land in a scene below which its dark blue proves nothing; twice what the build asks for."""


def pixel_tables(examination: Examination, chips: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables that the expectations about pixels look at.

    Args:
        examination: The measurements.
        chips: The table of chips, for what the index says about each scene.

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
    tables["bands"] = _per(chip_bands, ["sensor", "kind", "band"])
    for kind, bands in tables["bands"].groupby("kind"):
        tables[f"{kind}_bands"] = bands.reset_index(drop=True)
    polarisations = _polarisations(tables["scene_bands"])
    if len(polarisations):
        tables["radar_scenes"] = polarisations
    if examination.vegetation:
        tables["vegetation"] = _vegetation(join(examination.vegetation))
    offsets = {column(OPTICAL, name) for name in ("present", "offset_declared", "offset_applied", "dark_dn")}
    if offsets <= set(chips.columns):
        scenes = _offsets(examination, chips)
        if len(scenes):
            tables["offsets"] = scenes
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
    """Return vv, vh and vv - vh per scene, means in dB."""
    radar = scene_bands[(scene_bands["sensor"] == RADAR) & (scene_bands["valid"] >= _FEWEST_PIXELS)]
    means = radar.pivot(index="scene_id", columns="band", values="mean")
    if not {"vv", "vh"} <= set(means.columns):
        return means.iloc[:0]
    means["difference"] = means["vv"] - means["vh"]
    return means.dropna(subset="difference").reset_index()


def _vegetation(chips: pd.DataFrame) -> pd.DataFrame:
    """Return mean red and near infrared over vegetation per scene, and their ratio."""
    scenes = chips.groupby("scene_id", sort=True).sum().reset_index()
    scenes = scenes[scenes["vegetation"] >= _FEWEST_PIXELS].copy()
    for band in ("red", "near_infrared"):
        scenes[band] = scenes[band] / scenes["vegetation"]
    scenes["ratio"] = scenes["near_infrared"] / scenes["red"].clip(lower=1)
    return scenes.reset_index(drop=True)


def _offsets(examination: Examination, chips: pd.DataFrame) -> pd.DataFrame:
    """Return one row per Sentinel-2 scene: what was declared, what was done, and what its pixels say."""
    import pandas as pd

    names = ("offset_declared", "offset_applied", "offset_contradicted", "dark_dn", "items", "datetime")
    renamed = {column(OPTICAL, name): name for name in names if column(OPTICAL, name) in chips.columns}
    seen = chips[chips[column(OPTICAL, "present")].fillna(False).astype(bool)]
    grouped = seen.rename(columns=renamed).groupby("scene_id", sort=True)
    scenes = grouped.agg(
        site=("site", "first"),
        declared=("offset_declared", "first"),
        applied=("offset_applied", "first"),
        offsets=("offset_applied", "nunique"),
        contradicted=("offset_contradicted", "max"),
        dark_dn=("dark_dn", "min"),
        items=("items", "first"),
        date=("datetime", "min"),
    ).reset_index()
    scenes = scenes.dropna(subset=["declared", "applied"]).reset_index(drop=True)
    scenes["contradicted"] = scenes["contradicted"].fillna(False).astype(bool)
    scenes["item"] = [", ".join(map(str, items)) if items is not None else "" for items in scenes.pop("items")]
    evidence = pd.DataFrame([_judge(examination, scene) for scene in scenes["scene_id"]])
    return pd.concat([scenes, evidence], axis=1)


def _judge(examination: Examination, scene: str) -> dict[str, float]:
    """Return the figures of a scene's evidence; NaN and 0 where its pixels were not read."""
    evidence = examination.evidence.get(scene)
    if evidence is None or not evidence.pixels:
        return {"pixels": 0, "seen_dark": np.nan, "dark_share": 0.0, "dry_share": 0.0, "starts_shifted": False}
    dark = [evidence.darkest[band] for band in ("B02", "B03", "B04") if band in evidence.darkest]
    return {
        "pixels": evidence.pixels,
        "seen_dark": min(dark, default=np.nan),
        "dark_share": evidence.below_floor.get("B04", 0.0),
        "dry_share": evidence.dry_land_below if evidence.dry_land >= _DRY_LAND else 0.0,
        "starts_shifted": decide_offset(0, evidence).suspected,
    }
