"""Landsat as the base sensor and Sentinel-1 GRD beside Sentinel-2, from the sandbox's catalog to embeddings."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.warp import Resampling, reproject

from earthenware import storage
from earthenware.catalog import QuerySpec, query
from earthenware.chips import ChipStore, Mask, column
from earthenware.datacube import BuildSpec, build
from earthenware.products import Verdict, read_verdict
from earthenware.sandbox import SandboxSpec, make_sandbox
from earthenware.validation import ValidateSpec, gate, validate

LANDSAT, S2, RTC, GRD, DEM = "landsat-c2-l2", "sentinel-2-l2a", "sentinel-1-rtc", "sentinel-1-grd", "cop-dem-glo-30"
WITH_LANDSAT, WITH_GRD = (LANDSAT, DEM), (S2, GRD, DEM)
SIZE = 32


@dataclass(frozen=True)
class Made:
    """A chip store, the verdict on it, and the sandbox that it was built from."""

    earth: Path
    items: dict[str, dict[str, Any]]
    chips: str
    store: ChipStore
    verdict: Verdict

    def path(self, item: str, asset: str) -> Path:
        return self.earth / self.items[item]["assets"][asset]["href"]

    def window(self, chip: int, path: Path) -> np.ndarray:
        """The pixels of a file on whose grid a chip lies, [y, x]."""
        transform = self.store.index["transform"][chip].as_py()
        with rasterio.open(path) as source:
            grid = source.transform
            left, top = (transform[2] - grid.c) / grid.a, (transform[5] - grid.f) / grid.e
            assert (left, top) == pytest.approx((round(left), round(top)))
            return source.read(1, window=((round(top), round(top) + SIZE), (round(left), round(left) + SIZE)))

    def source(self, chip: int, sensor: str) -> str:
        """The id of the item that a chip's pixels of a sensor come from."""
        (item,) = self.store.index[column(sensor, "items")][chip].as_py()
        return str(item)


def make(folder: Path, earth: Path, sensors: tuple[str, ...]) -> Made:
    spec = QuerySpec(
        catalog=str(earth / "items.json"), sensors=sensors, max_cloud=1, max_nodata=1, validation_percent=40
    )
    scenes = query(spec, str(folder / "query")).output
    chips = build(BuildSpec(chip_size=SIZE, workers=1), scenes, str(folder / "build")).output
    verdict = validate(ValidateSpec(), chips, str(folder / "validate")).output
    gate(verdict)
    items = {item["id"]: item for item in json.loads((earth / "items.json").read_text())["features"]}
    return Made(earth, items, chips, ChipStore.open(chips), read_verdict(verdict))


def make_earth(folder: Path, places: int, dates: int) -> Path:
    collections = (S2, RTC, LANDSAT, GRD)
    spec = SandboxSpec(seed=7, places=places, dates=dates, size=208, workers=2, collections=collections)
    make_sandbox(spec, folder)
    return folder


@pytest.fixture(scope="module")
def earth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_earth(tmp_path_factory.mktemp("instruments") / "earth", 2, 1)


@pytest.fixture(scope="module")
def landsat(earth: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("landsat"), earth, WITH_LANDSAT)


@pytest.fixture(scope="module")
def grd(earth: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("grd"), earth, WITH_GRD)


# --------------------------------------------------------------------------------------------------- Landsat as a base


def test_landsat_gives_the_grid_and_its_pixels_are_the_product_s_reflectance(landsat: Made) -> None:
    store = landsat.store
    assert store.gsd == 30
    assert list(store.sensors) == [LANDSAT, DEM]
    assert len(store) >= 6
    layout = store.sensors[LANDSAT]
    stored = store.read_batch([LANDSAT], range(len(store)))[LANDSAT]
    for chip in range(len(store)):
        assert store.index["gsd"][chip].as_py() == 30
        assert np.abs(store.index["transform"][chip].as_py()[0]) == 30
        item = landsat.source(chip, LANDSAT)
        for number, band in enumerate(layout.bands):
            numbers = landsat.window(chip, landsat.path(item, band))
            facts = landsat.items[item]["assets"][band]["raster:bands"][0]
            truth = np.where(numbers == 0, np.nan, numbers * facts["scale"] + facts["offset"])
            # Stored in steps of 0.0001.
            np.testing.assert_allclose(layout.decode(stored.pixels[chip, number]) / 10000, truth, rtol=0, atol=6e-5)


def test_flags_are_those_of_the_quality_band(landsat: Made) -> None:
    store = landsat.store
    masks = store.read_batch([LANDSAT], range(len(store)))[LANDSAT].mask
    flags = {Mask.NODATA: 1 << 0, Mask.CLOUD: 0b1110, Mask.SHADOW: 1 << 4, Mask.SNOW: 1 << 5, Mask.WATER: 1 << 7}
    seen = Mask(0)
    for chip in range(len(store)):
        quality = landsat.window(chip, landsat.path(landsat.source(chip, LANDSAT), "qa_pixel"))
        for flag, bits in flags.items():
            stated = quality & bits != 0
            np.testing.assert_array_equal((masks[chip] & flag) != 0, stated)
            seen |= flag if stated.any() else Mask(0)
        cloudy = np.isin(quality & 0b11110, 0, invert=True) & (quality != 1)
        fraction = store.index[column(LANDSAT, "cloud_fraction")][chip].as_py()
        assert fraction == pytest.approx(cloudy.sum() / max((quality != 1).sum(), 1), abs=0.01)
    assert {Mask.CLOUD, Mask.WATER} <= set(seen)


def test_the_elevation_under_landsat_is_the_sandbox_s(landsat: Made) -> None:
    store = landsat.store
    layout, pixels = store.sensors[DEM], store.read_batch([DEM], range(len(store)))[DEM].pixels
    for chip in range(len(store)):
        truth = np.full((SIZE, SIZE), np.nan, np.float32)
        for item in store.index[column(DEM, "items")][chip].as_py():
            with rasterio.open(landsat.path(item, "data")) as source:
                part = np.full_like(truth, np.nan)
                reproject(
                    source.read(1), part, src_crs=source.crs, src_transform=source.transform,
                    dst_crs=store.index["crs"][chip].as_py(), dst_nodata=np.nan, resampling=Resampling.bilinear,
                    dst_transform=rasterio.Affine(*store.index["transform"][chip].as_py()),
                )  # fmt: skip
                truth = np.where(np.isnan(truth), part, truth)
        assert np.nanmax(np.abs(layout.decode(pixels[chip, 0]) - truth)) < 2.0  # metres


def test_a_store_without_sentinel_2_is_validated_by_what_it_has(landsat: Made) -> None:
    verdict = landsat.verdict
    assert verdict.failures == []
    offsets = {name for name in verdict.skipped if name.startswith("offset_")}
    assert len(offsets) == 6
    assert {one.expectation for one in verdict.met} >= {"optical_range", "elevation_range", "mask_matches_pixels"}
    assert set(verdict.statistics.bands[LANDSAT]) == set(landsat.store.sensors[LANDSAT].bands)


# --------------------------------------------------------------------------------- Sentinel-1 GRD beside Sentinel-2


def test_grd_lies_where_the_terrain_corrected_product_does_and_agrees_in_decibels(grd: Made) -> None:
    """Uncalibrated amplitude in dB is gamma nought plus a constant here, and chips agree to half a decibel with it."""
    store = grd.store
    assert list(store.sensors) == [S2, GRD, DEM]
    assert store.gsd == 10
    layout, has = store.sensors[GRD], store.present(GRD)
    assert has.any()
    read = store.read_batch([GRD], range(len(store)))[GRD]
    incidence = np.radians(38.5)
    constant = 20 * np.log10(237 / np.sqrt(np.sin(incidence))) + 10 * np.log10(np.cos(incidence))
    differences: list[float] = []
    patterns: list[float] = []
    for chip in np.flatnonzero(has):
        place, time = grd.source(chip, GRD)[-3:], grd.items[grd.source(chip, GRD)]["properties"]["datetime"]
        (rtc,) = (
            name
            for name, item in grd.items.items()
            if item["collection"] == RTC and place in name and item["properties"]["datetime"] == time
        )
        for number, channel in enumerate(layout.bands):
            truth = grd.window(chip, grd.path(rtc, channel)).astype(np.float64)
            if (truth <= 0).any() or (read.mask[chip] & Mask.NODATA).any():
                continue
            found = 10 ** ((layout.decode(read.pixels[chip, number]) - constant) / 10)

            def coarse(power: np.ndarray) -> np.ndarray:
                """Averages over 8 x 8 pixels, which leave 0.3 dB of speckle."""
                return 10 * np.log10(power.reshape(SIZE // 8, 8, SIZE // 8, 8).mean(axis=(1, 3)))

            differences.append(float(10 * np.log10(found.mean() / truth.mean())))
            patterns.append(float(np.median(np.abs(coarse(found) - coarse(truth)))))
    assert len(differences) > 20
    # Amplitudes are interpolated, which takes about 0.15 dB of the power from speckle.
    assert np.median(differences) == pytest.approx(-0.15, abs=0.15)
    assert np.abs(differences).max() < 0.7
    assert np.median(patterns) < 0.6


def test_radar_of_any_kind_is_validated_by_its_entry(grd: Made) -> None:
    assert grd.verdict.failures == []
    assert {one.expectation for one in grd.verdict.met} >= {"radar_range", "vv_above_vh", "sensor_near_base"}
    assert set(grd.verdict.statistics.bands[GRD]) == {"vv", "vh"}


# --------------------------------------------------------------------------------------------------------- the whole


@pytest.fixture(scope="module")
def larger_earth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_earth(tmp_path_factory.mktemp("larger") / "earth", 4, 2)


@pytest.mark.system
@pytest.mark.parametrize("sensors", [WITH_LANDSAT, WITH_GRD], ids=["landsat", "grd"])
def test_models_learn_from_them_and_embeddings_see_every_band(
    sensors: tuple[str, ...], larger_earth: Path, tmp_path: Path
) -> None:
    import torch

    from earthenware.embeddings import EmbedSpec, embed
    from earthenware.inference import chips_to_batch, load_package
    from earthenware.training import TrainSpec, train

    made = make(tmp_path, larger_earth, sensors)
    spec = TrainSpec(epochs=1, batch_size=16, patch_size=8, workers=1, device="cpu", tracking_uri="off")
    # With a Ray of its own behind it, a process cannot join another cluster.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        trained = pool.submit(train, spec, made.chips, str(tmp_path / "train")).result()
    package = load_package(storage.join(trained.output, "model"))
    layouts = made.store.sensors
    assert package.info.sensors == {sensor: layouts[sensor].bands for sensor in sensors}
    assert package.info.reads.gsd == made.store.gsd
    batch = chips_to_batch(made.store, range(4), package.info)
    with torch.no_grad():
        plain = package.model.embed(batch)
        for band, name in enumerate(package.info.bands):
            changed = chips_to_batch(made.store, range(4), package.info)
            changed.pixels[:, band] += changed.valid[:, band]
            assert (package.model.embed(changed) - plain).abs().max() > 1e-4, name
    product = embed(EmbedSpec(device="cpu"), made.chips, trained.output, str(tmp_path / "embed"))
    table = pq.read_table(storage.join(product.output, "embeddings.parquet"))
    assert len(table) == len(made.store)
    vectors = np.array(table["embedding"].to_pylist())
    assert vectors.shape == (len(made.store), package.width)
    assert np.isfinite(vectors).all()
    assert vectors.std(axis=0).min() > 0
