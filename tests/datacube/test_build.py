"""Scenes into chips: true values survive, flags are right, bad scenes are left out, and nothing depends on how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from earthenware import storage
from earthenware.chips import ChipStore, Mask, column
from earthenware.datacube import BuildSpec, build, merge
from earthenware.errors import EarthenwareError
from earthenware.steps import StepReport
from tests.datacube._earth import DEM, LAND_COVER, S1, S2, TEN, Earth

SIZE = 32


@pytest.fixture(scope="module")
def earth(tmp_path_factory: pytest.TempPathFactory) -> Earth:
    earth = Earth(tmp_path_factory.mktemp("earth"))
    earth.add("old", seed=1)
    earth.add("new", seed=2, offset=1000, baseline="05.09", split="validation")
    earth.add("harmonised", seed=3, offset=0, baseline="05.09")
    earth.add("bare", seed=4, lacks=(S1, LAND_COVER))
    earth.add("unclassified", seed=5, lacks=("SCL",))
    earth.add("overcast", seed=6, clouds="all")
    earth.table()
    return earth


@pytest.fixture(scope="module")
def report(earth: Earth, tmp_path_factory: pytest.TempPathFactory) -> StepReport:
    spec = BuildSpec(chip_size=SIZE, part_chips=40)
    return build(spec, f"{earth.folder}/scenes.parquet", str(tmp_path_factory.mktemp("build") / "out"))


@pytest.fixture(scope="module")
def store(report: StepReport) -> ChipStore:
    return ChipStore.open(report.output)


def _chips(store: ChipStore, scene: str) -> list[tuple[int, dict]]:
    return [(i, row) for i, row in enumerate(store.index.to_pylist()) if row["scene_id"] == scene]


def _window(array: np.ndarray, row: dict, scale: int = 1) -> np.ndarray:
    size = SIZE // scale
    return array[row["row"] * size : (row["row"] + 1) * size, row["col"] * size : (row["col"] + 1) * size]


def test_the_store_is_whole_and_counted(store: ChipStore, report: StepReport) -> None:
    assert list(store.verify()) == []
    counts = report.manifest.counts
    assert counts["scenes"] == 6
    assert counts["scenes_rejected"] == 0
    assert counts["chips"] == len(store) == counts["chips_train"] + counts["chips_validation"]
    assert len(store) + counts["chips_dropped_cloud"] + counts["chips_dropped_nodata"] == 6 * 5 * 4
    assert list(store.sensors) == [S2, S1, DEM, LAND_COVER]
    assert report.manifest.details["content_digest"] == store.content_digest
    assert not _chips(store, "overcast")


@pytest.mark.parametrize(("scene", "offset"), [("old", 0), ("new", 1000), ("harmonised", 0), ("unclassified", 0)])
def test_ten_metre_bands_are_the_numbers_of_the_file_less_the_offset(
    earth: Earth, store: ChipStore, scene: str, offset: int
) -> None:
    chips = _chips(store, scene)
    assert len(chips) > 10
    negative = 0
    for i, row in chips:
        values, mask = store.read(S2, i)
        missing = (mask & int(Mask.NODATA)) != 0
        for number, band in enumerate(store.sensors[S2].bands):
            if band in TEN:
                dn = _window(earth.truth[scene][band], row).astype(float)
                np.testing.assert_array_equal(values[number][~missing], dn[~missing] - offset)
                assert np.isnan(values[number][missing]).all()
                np.testing.assert_array_equal(missing, dn == 0)
                negative += int((values[number][~missing] < 0).sum())
    assert negative == 0


def test_negative_reflectance_is_kept(tmp_path: Path) -> None:
    earth = Earth(tmp_path)
    scene = earth.add("dark", offset=1000, baseline="05.09", clouds="none")
    import rasterio

    path = earth.item(scene, S2)["assets"]["B02"]["href"]
    with rasterio.open(path, "r+") as file:
        values = file.read(1)
        values[5, 7], values[6, 8], values[7, 9] = 940, 65535, 0
        file.write(values, 1)
    report = build(BuildSpec(chip_size=SIZE), earth.table(), str(tmp_path / "out"))
    store = ChipStore.open(report.output)
    values, mask = store.read(S2, 0)
    assert values[0, 5, 7] == -60
    assert mask[5, 7] == 0
    assert mask[6, 8] == Mask.SATURATED
    assert values[0, 6, 8] == 32767
    assert mask[7, 9] == Mask.NODATA
    assert np.isnan(values[:, 7, 9]).all(), "a pixel lacking one band is lacking"


def test_twenty_metre_bands_are_bilinear(earth: Earth, store: ChipStore) -> None:
    layout = store.sensors[S2]
    coarse = earth.truth["old"]["B11"].astype(float)
    y, x = (np.arange(160) + 0.5) / 2 - 0.5, (np.arange(144) + 0.5) / 2 - 0.5
    fine = map_coordinates(coarse, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")
    compared = 0
    for i, row in _chips(store, "old"):
        values, mask = store.read(S2, i)
        if (mask & int(Mask.NODATA)).any():
            continue
        # A chip beside nodata leans on fewer neighbours in its last column.
        expected = _window(fine, row)[:, :-2]
        np.testing.assert_allclose(values[layout.bands.index("B11")][:, :-2], expected, atol=0.51)
        compared += 1
    assert compared >= 8


def test_flags_follow_the_scene_classification(earth: Earth, store: ChipStore) -> None:
    flags = {0: Mask.NODATA, 1: Mask.SATURATED, 3: Mask.SHADOW, 4: 0, 6: Mask.WATER, 9: Mask.CLOUD, 11: Mask.SNOW}
    seen = set()
    for i, row in _chips(store, "old"):
        scl = np.kron(_window(earth.truth["old"]["SCL"], row, 2), np.ones((2, 2), dtype=int))
        mask = store.read_mask(S2, i)
        np.testing.assert_array_equal(mask, np.vectorize(flags.get)(scl))
        seen |= set(np.unique(mask).tolist())
        missing = mask == Mask.NODATA
        assert row[column(S2, "nodata_fraction")] == pytest.approx(missing.mean())
        covered = (mask & int(Mask.CLOUD | Mask.SHADOW)) != 0
        assert row[column(S2, "cloud_fraction")] == pytest.approx(covered[~missing].mean())
        assert row[column(S2, "cloud_fraction")] <= 0.5
    assert seen >= {0, *(int(flag) for flag in (Mask.NODATA, Mask.SATURATED, Mask.CLOUD, Mask.SNOW, Mask.WATER))}


def test_chips_are_chosen_by_cloud_and_nodata(earth: Earth, store: ChipStore) -> None:
    scl = np.kron(earth.truth["old"]["SCL"], np.ones((2, 2), dtype=int))
    expected = set()
    for row in range(5):
        for col in range(4):
            part = scl[row * SIZE : (row + 1) * SIZE, col * SIZE : (col + 1) * SIZE]
            missing, covered = part == 0, np.isin(part, [3, 8, 9, 10])
            if missing.mean() <= 0.5 and covered.sum() <= 0.5 * (~missing).sum():
                expected.add(f"old-{row:03d}-{col:03d}")
    assert {row["chip_id"] for _, row in _chips(store, "old")} == expected
    assert len(expected) < 20
    assert len(_chips(store, "unclassified")) == 20, "clouds that nobody marked leave no chip out"
    assert all(row[column(S2, "cloud_fraction")] is None for _, row in _chips(store, "unclassified"))


def test_radar_is_in_decibels(earth: Earth, store: ChipStore) -> None:
    for i, row in _chips(store, "new"):
        values, mask = store.read(S1, i)
        for number, band in enumerate(("vv", "vh")):
            power = _window(earth.truth["new"][band], row)
            missing = power == -32768
            np.testing.assert_array_equal((mask & int(Mask.NODATA)) != 0, missing)
            np.testing.assert_allclose(values[number][~missing], 10 * np.log10(power[~missing]), atol=0.0051)
        assert row[column(S1, "datetime")] < row["datetime"]
        assert row[column(S1, "items")] == [f"{S1}_new"]


def _in_degrees(row: dict, earth: Earth, scene: str, file: str) -> tuple[np.ndarray, np.ndarray]:
    """Return fractional pixel rows and columns of a chip's pixel centres in a file in degrees."""
    import rasterio

    a, _, c, _, e, f = row["transform"]
    x, y = np.meshgrid(c + a * (np.arange(SIZE) + 0.5), f + e * (np.arange(SIZE) + 0.5))
    lon, lat = Transformer.from_crs(row["crs"], "EPSG:4326", always_xy=True).transform(x, y)
    with rasterio.open(earth.folder / scene / f"{file}.tif") as opened:
        t = opened.transform
    return (lat - t.f) / t.e - 0.5, (lon - t.c) / t.a - 0.5


def test_elevation_and_land_cover_are_on_the_same_ground(earth: Earth, store: ChipStore) -> None:
    for i, row in _chips(store, "old"):
        place = _in_degrees(row, earth, "old", "data")
        expected = map_coordinates(earth.truth["old"]["data"].astype(float), place, order=1)
        values, mask = store.read(DEM, i)
        assert not mask.any()
        np.testing.assert_allclose(values[0], expected, atol=0.25 + 0.4)

        rows, columns = _in_degrees(row, earth, "old", "map")
        classes = earth.truth["old"]["map"][np.rint(rows).astype(int), np.rint(columns).astype(int)]
        found, _ = store.read(LAND_COVER, i)
        assert (found[0] == classes).mean() > 0.995
        codes, counts = np.unique(found[0], return_counts=True)
        assert row["land_cover"] in codes[counts == counts.max()]
        assert row["land_cover_fraction"] == pytest.approx(counts.max() / SIZE**2)


def test_a_sensor_without_a_match_is_absent(store: ChipStore) -> None:
    chips = _chips(store, "bare")
    assert chips
    for i, row in chips:
        assert not row[column(S1, "present")]
        assert row[column(S1, "items")] == []
        assert row[column(S1, "datetime")] is None
        assert row["land_cover"] is None
        assert row[column(DEM, "present")]
        values, mask = store.read(S1, i)
        assert np.isnan(values).all()
        assert (mask == Mask.NODATA).all()


def test_places_times_and_provenance(earth: Earth, store: ChipStore) -> None:
    scenes = {row["id"]: row for row in earth.rows}
    for _, row in [*_chips(store, "old"), *_chips(store, "new")]:
        scene = scenes[row["scene_id"]]
        a, _, c, _, e, f = row["transform"]
        assert (c, f) == (scene["transform"][2] + 320 * row["col"], scene["transform"][5] - 320 * row["row"])
        lon, lat = Transformer.from_crs(row["crs"], "OGC:CRS84", always_xy=True).transform(c + a * 16, f + e * 16)
        assert (row["lon"], row["lat"]) == pytest.approx((lon, lat), abs=1e-9)
        assert row["datetime"] == scene["datetime"]
        assert (row["split"], row["site"]) == (scene["split"], scene["site"])
        assert len(row[column(S2, "hrefs")]) == 10
        assert row[column(S2, "hrefs")][0].endswith("/B02.tif")


def test_the_offset_is_recorded(store: ChipStore, report: StepReport) -> None:
    def said(scene: str) -> set[tuple]:
        names = [column(S2, name) for name in ("offset_declared", "offset_applied", "offset_contradicted")]
        return {tuple(row[name] for name in names) for _, row in _chips(store, scene)}

    assert said("old") == {(0, 0, False)}
    assert said("new") == {(1000, 1000, False)}
    assert said("harmonised") == {(1000, 0, True)}
    assert report.manifest.details["offset_contradicted"] == ["harmonised"]
    dark = {row[column(S2, "dark_dn")] for _, row in _chips(store, "new")}
    assert len(dark) == 1
    assert 1150 <= dark.pop() < 1200


def test_nothing_depends_on_workers_parts_or_shards(earth: Earth, report: StepReport, tmp_path: Path) -> None:
    scenes = f"{earth.folder}/scenes.parquet"
    alone = build(BuildSpec(chip_size=SIZE, workers=1, threads=1, part_chips=1), scenes, str(tmp_path / "alone"))
    whole = ChipStore.open(report.output)
    other = ChipStore.open(alone.output)
    assert alone.manifest.counts["parts"] > report.manifest.counts["parts"]
    assert other.content_digest == whole.content_digest
    assert other.statistics == whole.statistics
    assert other.index.equals(whole.index.select(other.index.column_names))

    shards = [build(BuildSpec(chip_size=SIZE, part_chips=40, shard=f"{i}/3"), scenes, str(tmp_path / f"shard-{i}"))
              for i in range(3)]  # fmt: skip
    assert sum(shard.manifest.counts["scenes"] for shard in shards) == 6
    assert all(ChipStore.open(shard.output).chip_size == SIZE for shard in shards)
    merged = merge([shard.output for shard in reversed(shards)], str(tmp_path / "merged"))
    store = ChipStore.open(merged.output)
    assert store.content_digest == whole.content_digest
    assert store.statistics == whole.statistics
    assert store.index.equals(whole.index)
    assert list(store.verify()) == []
    for name, value in report.manifest.counts.items():
        assert name == "parts" or merged.manifest.counts[name] == value, name
    assert merge([shard.output for shard in shards], str(tmp_path / "merged")).reused


def test_a_finished_build_is_found(earth: Earth, report: StepReport) -> None:
    again = build(BuildSpec(chip_size=SIZE, part_chips=40, workers=1), f"{earth.folder}/scenes.parquet", report.output)
    assert again.reused
    assert again.manifest.digest == report.manifest.digest


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Earth:
    earth = Earth(tmp_path_factory.mktemp("flawed"), height=64, width=64)
    for i in range(4):
        earth.add(f"good-{i}", seed=i, clouds="none")

    def item(name: str, sensor: str = S2) -> tuple[dict, dict]:
        scene = earth.add(name, clouds="none")
        return scene, earth.item(scene, sensor)

    scene, one = item("no-asset")
    del one["assets"]["B11"]
    earth.set_item(scene, S2, one)
    scene, one = item("no-file")
    Path(one["assets"]["B04"]["href"]).unlink()
    scene, one = item("truncated")
    path = Path(one["assets"]["B08"]["href"])
    path.write_bytes(path.read_bytes()[:3000])
    scene, one = item("bad-radar", S1)
    Path(one["assets"]["vh"]["href"]).write_bytes(b"II*\0 no picture")
    scene, one = item("no-crs")
    import rasterio

    with rasterio.open(one["assets"]["B03"]["href"], "r+") as file:
        file.crs = rasterio.CRS()
    scene, one = item("elsewhere")
    scene["transform"][2] += 1_000_000
    scene, one = item("unreachable")
    one["assets"]["B02"]["href"] = "http://127.0.0.1:9/B02.tif?sig=SECRET"
    earth.set_item(scene, S2, one)
    scene, one = item("rotated")
    scene["transform"][1] = 0.5
    scene, one = item("tiny")
    scene["height"] = 20
    earth.table()
    return earth


REASONS = {
    "no-asset": "MISSING_ASSET",
    "no-file": "MISSING_ASSET",
    "truncated": "UNREADABLE_ASSET",
    "bad-radar": "UNREADABLE_ASSET",
    "no-crs": "NO_CRS",
    "elsewhere": "NO_OVERLAP",
    "unreachable": "HTTP_ERROR",
    "rotated": "BAD_SCENE",
    "tiny": "TOO_SMALL",
}


def test_bad_scenes_are_left_out_with_their_reason(flawed: Earth, tmp_path: Path) -> None:
    spec = BuildSpec(chip_size=SIZE, reject_limit=0.8, part_chips=8, retries=0)
    report = build(spec, f"{flawed.folder}/scenes.parquet", str(tmp_path / "out"))
    rejects = pq.read_table(f"{report.output}/rejects.parquet").to_pylist()
    assert {row["record"]: row["reason"] for row in rejects} == REASONS
    assert report.manifest.counts["scenes_rejected"] == len(REASONS)
    for row in rejects:
        assert row["record"] in row["message"] or "/B02.tif'" in row["message"], "it names the scene or its file"
        assert "SECRET" not in row["message"]
    store = ChipStore.open(report.output)
    assert set(store.index["scene_id"].to_pylist()) == {f"good-{i}" for i in range(4)}
    assert list(store.verify()) == []
    merged = merge([report.output], str(tmp_path / "merged"))
    assert pq.read_table(f"{merged.output}/rejects.parquet").to_pylist() == rejects


def test_too_many_bad_scenes_end_the_step(flawed: Earth, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(EarthenwareError, match="of 13 records were rejected") as raised:
        build(BuildSpec(chip_size=SIZE, retries=0), f"{flawed.folder}/scenes.parquet", str(output))
    assert raised.value.code == "TOO_MANY_REJECTS"
    assert json.loads((output / "error.json").read_text())["code"] == "TOO_MANY_REJECTS"
    assert not (output / "store.json").exists()


def test_no_chip_left_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    earth.add("overcast", clouds="all")
    with pytest.raises(EarthenwareError, match="of 4 candidates 4 were too cloudy") as raised:
        build(BuildSpec(chip_size=SIZE), earth.table(), str(tmp_path / "out"))
    assert raised.value.code == "NO_CHIPS"
    assert "max_cloud" in raised.value.remedy
    empty = build(BuildSpec(chip_size=SIZE, shard="0/2"), earth.table(), str(tmp_path / "shard-0"))
    other = build(BuildSpec(chip_size=SIZE, shard="1/2"), earth.table(), str(tmp_path / "shard-1"))
    with pytest.raises(EarthenwareError) as raised:
        merge([empty.output, other.output], str(tmp_path / "merged"))
    assert raised.value.code == "NO_CHIPS"


@pytest.mark.parametrize(
    ("change", "code"),
    [("gone", "NO_SCENES"), ("empty", "NO_SCENES"), ("column", "BAD_SCENES"), ("twice", "BAD_SCENES")],
)
def test_a_table_that_is_none(tmp_path: Path, change: str, code: str) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    earth.add("a", clouds="none")
    table = pq.read_table(earth.table())
    if change == "empty":
        table = table.slice(0, 0)
    elif change == "column":
        table = table.drop_columns(["crs"])
    elif change == "twice":
        import pyarrow as pa

        table = pa.concat_tables([table, table])
    (tmp_path / "folder").mkdir()
    if change != "gone":
        pq.write_table(table, tmp_path / "folder" / "scenes.parquet")
    with pytest.raises(EarthenwareError) as raised:
        build(BuildSpec(), f"{tmp_path}/folder/scenes.parquet", str(tmp_path / "out"))
    assert raised.value.code in {code, "NO_INPUT"}
    assert "scenes" in raised.value.message


def test_sensors_that_the_scenes_lack(tmp_path: Path) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    earth.add("a", clouds="none")
    table = pq.read_table(earth.table()).drop_columns([LAND_COVER])
    pq.write_table(table, tmp_path / "scenes.parquet")
    report = build(BuildSpec(chip_size=SIZE), str(tmp_path / "scenes.parquet"), str(tmp_path / "out"))
    assert report.manifest.details["sensors"] == [S2, S1, DEM]
    pq.write_table(table.drop_columns([S1]), tmp_path / "less.parquet")
    with pytest.raises(EarthenwareError, match="no column 'sentinel-1-rtc'"):
        build(BuildSpec(chip_size=SIZE, sensors=(S2, S1)), str(tmp_path / "less.parquet"), str(tmp_path / "other"))


@pytest.mark.parametrize(
    "values", [{"shard": "2/2"}, {"shard": "x"}, {"sensors": "cop-dem-glo-30"}, {"sensors": "x"}, {"edges": "pad"}]
)
def test_a_wrong_spec_is_refused(values: dict[str, str]) -> None:
    from earthenware.steps import parse_spec

    with pytest.raises(EarthenwareError, match=next(iter(values))):
        parse_spec(BuildSpec, values)


def test_shifted_edges_reach_the_end_of_the_scene(tmp_path: Path) -> None:
    earth = Earth(tmp_path, height=80, width=70)
    earth.add("a", clouds="none")
    report = build(BuildSpec(chip_size=SIZE, edges="shift"), earth.table(), str(tmp_path / "out"))
    store = ChipStore.open(report.output)
    assert len(store) == 9
    last = store.index.to_pylist()[-1]
    assert (last["row"], last["col"]) == (2, 2)
    assert last["transform"][2] == earth.rows[0]["transform"][2] + 10 * (70 - SIZE)
    values, _ = store.read(S2, 8)
    np.testing.assert_array_equal(values[0], earth.truth["a"]["B02"][80 - SIZE :, 70 - SIZE :])


def test_the_output_may_be_an_object_store(tmp_path: Path, bucket: str) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    for i in range(3):
        earth.add(f"s{i}", seed=i, clouds="none")
    scenes = earth.table()
    local = build(BuildSpec(chip_size=SIZE, part_chips=4), scenes, str(tmp_path / "out"))
    remote = build(BuildSpec(chip_size=SIZE, part_chips=4), scenes, f"{bucket}/run/build")
    store = ChipStore.open(remote.output)
    assert store.content_digest == ChipStore.open(local.output).content_digest
    assert list(store.verify()) == []
    merged = merge([remote.output], f"{bucket}/run/merged")
    assert list(ChipStore.open(merged.output).verify()) == []
    assert not [path for path in storage.list_files(bucket) if path.endswith(".tmp")]


def test_ground_that_another_split_uses_gives_no_chips(tmp_path: Path) -> None:
    earth = Earth(tmp_path)
    scene = earth.add("one", clouds="none")
    a, _, left, _, e, top = scene["transform"]
    # The second of four chip columns, less a hair at either side.
    scene["withheld"] = [[left + a * SIZE + 1, top + e * earth.height, left + 2 * a * SIZE - 1, top]]
    report = build(BuildSpec(chip_size=SIZE), earth.table(), str(tmp_path / "out"))
    kept = ChipStore.open(report.output).index
    assert sorted(set(kept["col"].to_pylist())) == [0, 2, 3]
    assert report.manifest.counts["chips_dropped_split"] == 5
    assert len(kept) == 15


def test_a_scene_wholly_on_another_splits_ground_leaves_the_others(tmp_path: Path) -> None:
    earth = Earth(tmp_path)
    scene = earth.add("one", clouds="none")
    earth.add("two", clouds="none")
    scene["withheld"] = [[0.0, 0.0, 1e7, 1e7]]
    report = build(BuildSpec(chip_size=SIZE), earth.table(), str(tmp_path / "out"))
    assert set(ChipStore.open(report.output).index["scene_id"].to_pylist()) == {"two"}
    assert report.manifest.rejects == {}
