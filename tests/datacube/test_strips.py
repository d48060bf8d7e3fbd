"""A scene too large to be held at once is read in strips, each a part of its own, and gives the same chips."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earthenware.chips import ChipStore, PartEntry, SensorLayout, store_document
from earthenware.datacube import BuildSpec, _cut, _plan, build
from earthenware.datacube._part import PartTask, build_part
from earthenware.datacube._plan import plan_parts
from earthenware.datacube._tally import Tally
from earthenware.rasters import Reading
from earthenware.scenes import SceneTable, parse_scene
from tests.datacube._earth import DEM, LAND_COVER, S1, S2, Earth, grid_transform, write_tiff

SENSORS = (S2, S1, DEM, LAND_COVER)
HEIGHT, WIDTH = 170, 150


def _build(earth: Earth, output: Path, spec: BuildSpec) -> tuple[ChipStore, Tally]:
    """Build one part after the other, the last first."""
    plan = plan_parts(earth.rows, spec)
    tasks = [
        PartTask(part, key, str(output / key), SENSORS, 10.0, spec, Reading(), str(output))
        for key, part in reversed(plan.items())
    ]
    built = [build_part(task) for task in tasks]
    assert not any(one.rejects for one in built)
    entries = [PartEntry.model_validate(one.payload) for one in built if one.payload["chips"]]
    layouts = {sensor: SensorLayout.of(sensor) for sensor in SENSORS}
    store_document(entries, chip_size=spec.chip_size, gsd=10.0, layouts=layouts).write(str(output))
    return ChipStore.open(str(output)), Tally.total(Tally(**one.payload["tally"]) for one in built)


@pytest.mark.parametrize("edges", ["drop", "shift"])
def test_strips_give_the_same_chips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edges: str) -> None:
    earth = Earth(tmp_path / "earth", height=HEIGHT, width=WIDTH)
    earth.add("a", seed=8, offset=1000, baseline="04.00")
    spec = BuildSpec(chip_size=32, edges=edges)  # type: ignore[arg-type]
    whole, _ = _build(earth, tmp_path / "whole", spec)
    monkeypatch.setattr(_plan, "STRIP_PIXELS", WIDTH * 64)
    strips, _ = _build(earth, tmp_path / "strips", spec)
    assert (len(whole.document.parts), len(strips.document.parts)) == (1, 3)
    assert whole.index["chip_id"].to_pylist() == strips.index["chip_id"].to_pylist()
    for i in range(len(whole)):
        for sensor in (S2, S1, LAND_COVER):
            np.testing.assert_array_equal(whole.read_mask(sensor, i), strips.read_mask(sensor, i))
        for sensor in (S2, S1):
            np.testing.assert_array_equal(whole.read_stored(sensor, i), strips.read_stored(sensor, i))
        # GDAL approximates the change of CRS within each window: to hundredths of a pixel of 30 m.
        assert np.abs(whole.read(DEM, i)[0] - strips.read(DEM, i)[0]).max() <= 0.5


@pytest.fixture(scope="module")
def one_crs(tmp_path_factory: pytest.TempPathFactory) -> Earth:
    """A scene of which all sensors are in one CRS, so that nothing is approximated."""
    earth = Earth(tmp_path_factory.mktemp("one_crs"), height=HEIGHT, width=WIDTH)
    scene = earth.add("a", seed=5, offset=1000, baseline="04.00")
    rng = np.random.default_rng(5)
    for sensor, asset, values in (
        (DEM, "data", rng.normal(400, 50, (60, 60)).astype(np.float32)),
        (LAND_COVER, "map", rng.choice([10, 30, 40], (60, 60)).astype(np.uint8)),
    ):
        write_tiff(Path(earth.item(scene, sensor)["assets"][asset]["href"]), values, grid_transform(30))
    return earth


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.sampled_from([16, 24, 32]),
    edges=st.sampled_from(["drop", "shift"]),
    most=st.integers(WIDTH * 16, HEIGHT * WIDTH - 1),
    withheld=st.lists(st.tuples(st.integers(0, HEIGHT), st.integers(0, HEIGHT)), max_size=2),
)
def test_where_a_scene_is_cut_changes_nothing(
    one_crs: Earth,
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    edges: Any,
    most: int,
    withheld: list[tuple[int, int]],
) -> None:
    folder, spec = tmp_path_factory.mktemp("cut"), BuildSpec(chip_size=size, edges=edges, max_cloud=0.9)
    row = one_crs.rows[0]
    left, top = row["transform"][2], row["transform"][5]
    row["withheld"] = [[left, top - 10 * max(pair), left + 700, top - 10 * min(pair)] for pair in withheld]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plan, "STRIP_PIXELS", HEIGHT * WIDTH - 1)
        expected, counted = _build(one_crs, folder / "expected", spec)
        patch.setattr(_plan, "STRIP_PIXELS", most)
        found, tally = _build(one_crs, folder / "found", spec)
    assert found.content_digest == expected.content_digest
    assert found.statistics == expected.statistics
    assert found.index.equals(expected.index)
    assert tally == counted


def test_a_large_scene_that_fails_late_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earth = Earth(tmp_path / "earth", height=320, width=64)
    path = Path(earth.item(earth.add("large", clouds="none"), S2)["assets"]["B8A"]["href"])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 5])  # the last rows are gone; the offset's sample is of other bands
    earth.height = 64
    earth.add("small", clouds="none")
    monkeypatch.setattr(_plan, "STRIP_PIXELS", 64 * 64)
    report = build(BuildSpec(chip_size=32, reject_limit=0.5, workers=1), earth.table(), str(tmp_path / "out"))
    assert report.manifest.rejects == {"UNREADABLE_ASSET": 1}
    strips = [json.loads(path.read_text()) for path in (tmp_path / "out" / "parts").glob("*-*.json")]
    assert any(part["payload"]["chips"] for part in strips), "a strip must have been built, or this shows nothing"
    assert sum(bool(part["rejects"]) for part in strips) == 1
    store = ChipStore.open(report.output)
    assert store.index["scene_id"].to_pylist() == ["small"] * 4
    assert report.manifest.counts["chips_train"] == report.manifest.details["candidates"] == 4
    assert [path.name for path in (tmp_path / "out" / "parts").iterdir() if path.is_dir() and any(path.iterdir())] == [
        Path(store.document.parts[0].path).parent.name
    ]


def test_a_band_that_lies_elsewhere_is_noticed_by_every_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earth = Earth(tmp_path / "earth", height=128, width=64)
    elsewhere, partly, _ = (earth.add(name, seed=4, clouds="none") for name in ("elsewhere", "partly", "whole"))
    for scene, shift in ((elsewhere, 50_000), (partly, 640)):
        left, top = scene["transform"][2], scene["transform"][5]
        path, band = earth.item(scene, S2)["assets"]["B05"]["href"], earth.truth[scene["id"]]["B05"]
        write_tiff(Path(path), band, grid_transform(20, (left, top - shift)), nodata=0)
    monkeypatch.setattr(_plan, "STRIP_PIXELS", 64 * 64)
    report = build(BuildSpec(chip_size=32, reject_limit=0.5), earth.table(), str(tmp_path / "out"))
    assert report.manifest.rejects == {"NO_OVERLAP": 1}
    ids = ChipStore.open(report.output).index["scene_id"].to_pylist()
    assert {name: ids.count(name) for name in set(ids)} == {"partly": 4, "whole": 8}


def test_bands_are_not_read_where_clouds_leave_nothing(tmp_path: Path) -> None:
    """The classification is read first: under full cloud even a broken band is never opened."""
    earth = Earth(tmp_path, height=64, width=64)
    scene = earth.add("a", clouds="all")
    Path(earth.item(scene, S2)["assets"]["B02"]["href"]).write_bytes(b"broken")
    tally = Tally()
    reading = Reading(retries=0, timeout=5)
    with ThreadPoolExecutor(1) as pool:
        one = parse_scene(earth.rows[0], SENSORS)
        assert _cut.cut_scene(one, BuildSpec(chip_size=32), SENSORS, reading, pool, tally) is None
    assert tally.dropped_cloud == tally.candidates == 4


def test_parts_are_stable_and_strips_are_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": f"s{i}", "height": 64, "width": 64} for i in range(20)]
    rows += [{"id": "large", "height": 650, "width": 640}, {"id": "flat", "height": 30, "width": 4000}]
    table, reverse = (SceneTable(pa.Table.from_pylist(some)) for some in (rows, rows[::-1]))
    ordered = table.shard(0, 1)
    assert ordered == reverse.shard(0, 1)
    monkeypatch.setattr(_plan, "STRIP_PIXELS", 100_000)
    plan = plan_parts(ordered, BuildSpec(chip_size=32, part_chips=12, edges="shift"))
    strips = {key: part for key, part in plan.items() if part.rows}
    assert [row["id"] for part in plan.values() if not part.rows for row in part.scenes] == [
        row["id"] for row in ordered if row["id"] != "large"
    ]
    assert {part.scenes[0]["id"] for part in strips.values()} == {"large"}
    assert [part.rows for part in strips.values()] == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 21)]
    assert [strips[key].rows for key in sorted(strips)] == [part.rows for part in strips.values()]
    assert max(sum(row["id"] != "flat" for row in part.scenes) for part in plan.values()) == 3
    thirds = [row["id"] for i in range(3) for row in table.shard(i, 3)]
    assert sorted(thirds) == sorted(row["id"] for row in rows)
