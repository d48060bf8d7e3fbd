"""Three real places: Brazil, Tanzania and Chile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from earthenware.catalog import QuerySpec, query
from earthenware.chips import ChipStore, column
from earthenware.datacube import BuildSpec, build
from earthenware.steps import StepReport

S2, S1, DEM, LAND_COVER = "sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover"
PLACES = {"282D_485L_3_3": 0, "38D_378R_2_3": 0, "433D_629L_3_1": 1000}
"""Folder of each place, and the offset that its pixels carry."""


@pytest.fixture(scope="module")
def report(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> StepReport:
    folder = tmp_path_factory.mktemp("real")
    found = query(QuerySpec(catalog=str(realdata / "mini_catalog/items.json")), str(folder / "scenes"))
    return build(BuildSpec(chip_size=64), found.output, str(folder / "chips"))


@pytest.fixture(scope="module")
def store(report: StepReport) -> ChipStore:
    return ChipStore.open(report.output)


def _chips(store: ChipStore, place: str) -> list[tuple[int, dict]]:
    rows = enumerate(store.index.to_pylist())
    return [(i, row) for i, row in rows if place in row[column(S2, "items")][0]]


def _source(realdata: Path, collection: str, place: str, name: str, row: dict) -> np.ndarray:
    with rasterio.open(realdata / "mini_catalog" / collection / place / f"{name}.tif") as file:
        y, x = 64 * row["row"], 64 * row["col"]
        return file.read(1)[y : y + 64, x : x + 64]


@pytest.mark.parametrize("place", PLACES)
def test_pixels_are_those_of_the_files(realdata: Path, store: ChipStore, place: str) -> None:
    chips = _chips(store, place)
    assert len(chips) == 9
    for i, row in chips:
        values, mask = store.read(S2, i)
        for number, band in enumerate(store.sensors[S2].bands):
            dn = _source(realdata, S2, place, band, row).astype(float)
            valid = mask == 0
            assert valid.mean() > 0.9
            np.testing.assert_array_equal(values[number][valid], dn[valid] - PLACES[place])
        values, mask = store.read(S1, i)
        for number, band in enumerate(("vv", "vh")):
            power = _source(realdata, S1, place, band, row)
            np.testing.assert_allclose(values[number], 10 * np.log10(power), atol=0.0051)
        values, mask = store.read(DEM, i)
        np.testing.assert_allclose(values[0], _source(realdata, DEM, place, "data", row), atol=0.2501)
        assert not mask.any()
        classes = _source(realdata, "io-lulc", place, "data", row)
        legend = np.array([np.nan, 80, 10, 90, 40, 50, 60, 70, np.nan, 30])
        np.testing.assert_array_equal(store.read(LAND_COVER, i)[0][0], legend[classes].astype(np.float32))


def test_the_offset_is_removed_in_chile_and_not_twice_in_tanzania(store: ChipStore, report: StepReport) -> None:
    names = [column(S2, name) for name in ("offset_declared", "offset_applied", "offset_contradicted")]

    def said(place: str) -> set[tuple]:
        return {tuple(row[name] for name in names) for _, row in _chips(store, place)}

    assert said("433D_629L_3_1") == {(1000, 1000, False)}
    assert said("38D_378R_2_3") == {(1000, 0, True)}
    assert said("282D_485L_3_3") == {(0, 0, False)}
    assert report.manifest.counts["scenes_offset_contradicted"] == 1


def test_chips_lie_in_their_countries(store: ChipStore) -> None:
    boxes = {
        "282D_485L_3_3": (-50, -26, -47, -24),
        "38D_378R_2_3": (33, -5, 35, -2),
        "433D_629L_3_1": (-74, -40, -71, -37),
    }
    for place, (west, south, east, north) in boxes.items():
        for _, row in _chips(store, place):
            assert west < row["lon"] < east
            assert south < row["lat"] < north
            assert row[column(S2, "cloud_fraction")] is None, "these items have no scene classification"
            assert abs((row[column(S1, "datetime")] - row["datetime"]).total_seconds()) <= 4 * 86400
