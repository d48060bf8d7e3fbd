"""A scene too large to be held at once is read in strips and gives the same chips."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from earthenware.chips import ChipStore, PartEntry, SensorLayout, store_document
from earthenware.datacube import BuildSpec, _cut, _part
from earthenware.datacube._part import PartTask, build_part, group_scenes
from earthenware.datacube._tally import Tally
from earthenware.rasters import Reading
from earthenware.scenes import SceneTable, parse_scene
from tests.datacube._earth import DEM, LAND_COVER, S1, S2, Earth

SENSORS = (S2, S1, DEM, LAND_COVER)


def _build(earth: Earth, output: Path, spec: BuildSpec) -> ChipStore:
    task = PartTask("key", "part", str(output / "part"), earth.rows, SENSORS, 10.0, spec, Reading(), str(output))
    built = build_part(task)
    assert built.rejects == ()
    entry = PartEntry.model_validate(built.payload)
    layouts = {sensor: SensorLayout.of(sensor) for sensor in SENSORS}
    store_document([entry], chip_size=spec.chip_size, gsd=10.0, layouts=layouts).write(str(output))
    return ChipStore.open(str(output))


@pytest.mark.parametrize("edges", ["drop", "shift"])
def test_strips_give_the_same_chips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edges: str) -> None:
    earth = Earth(tmp_path / "earth", height=170, width=150)
    earth.add("a", seed=8, offset=1000, baseline="04.00")
    spec = BuildSpec(chip_size=32, edges=edges)  # type: ignore[arg-type]
    whole = _build(earth, tmp_path / "whole", spec)
    monkeypatch.setattr(_cut, "STRIP_PIXELS", 150 * 64)
    strips = _build(earth, tmp_path / "strips", spec)
    assert whole.index["chip_id"].to_pylist() == strips.index["chip_id"].to_pylist()
    for i in range(len(whole)):
        for sensor in (S2, S1, LAND_COVER):
            np.testing.assert_array_equal(whole.read_mask(sensor, i), strips.read_mask(sensor, i))
        for sensor in (S2, S1):
            np.testing.assert_array_equal(whole.read_stored(sensor, i), strips.read_stored(sensor, i))
        # GDAL approximates the change of CRS within each window: to hundredths of a pixel of 30 m.
        assert np.abs(whole.read(DEM, i)[0] - strips.read(DEM, i)[0]).max() <= 0.5


def test_a_large_scene_that_fails_late_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earth = Earth(tmp_path / "earth", height=320, width=64)
    scene = earth.add("a", clouds="none")
    path = Path(earth.item(scene, S2)["assets"]["B12"]["href"])
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(data[: len(data) * 4 // 5]))  # GDAL writes the index first: the last rows are gone
    monkeypatch.setattr(_cut, "STRIP_PIXELS", 64 * 64)
    spec = BuildSpec(chip_size=32)
    written = []
    original = _part.ChipWriter.write
    monkeypatch.setattr(
        _part.ChipWriter, "write", lambda self, *values: (written.append(len(values[2])), original(self, *values))[1]
    )
    built = build_part(
        PartTask("key", "part", str(tmp_path / "part"), earth.rows, SENSORS, 10.0, spec, Reading(), str(tmp_path))
    )
    assert sum(written) > 0, "the first strips must have been written, or this shows nothing"
    assert [reject.reason for reject in built.rejects] == ["UNREADABLE_ASSET"]
    assert built.payload["chips"] == 0
    assert built.payload["tally"]["splits"] == {}
    assert not (tmp_path / "part").exists()


def test_bands_are_not_read_where_clouds_leave_nothing(tmp_path: Path) -> None:
    """The classification is read first: under full cloud even a broken band is never opened."""
    earth = Earth(tmp_path, height=64, width=64)
    scene = earth.add("a", clouds="all")
    Path(earth.item(scene, S2)["assets"]["B02"]["href"]).write_bytes(b"broken")
    tally = Tally()
    reading = Reading(retries=0, timeout=5)
    with ThreadPoolExecutor(1) as pool:
        one = parse_scene(earth.rows[0], SENSORS)
        blocks = list(_cut.cut_scene(one, BuildSpec(chip_size=32), SENSORS, reading, pool, tally))
    assert blocks == []
    assert tally.dropped_cloud == tally.candidates == 4


def test_parts_are_stable_and_large_scenes_are_alone(tmp_path: Path) -> None:
    rows = [{"id": f"s{i}", "height": 64, "width": 64} for i in range(20)] + [
        {"id": "big", "height": 640, "width": 640}
    ]
    table, reverse = (SceneTable(pa.Table.from_pylist(some)) for some in (rows, rows[::-1]))
    ordered = table.shard(0, 1)
    assert ordered == reverse.shard(0, 1)
    groups = group_scenes(ordered, chip_size=32, part_chips=12, alone_above=100_000)
    assert [row["id"] for group in groups.values() for row in group] == [row["id"] for row in ordered]
    assert ["big"] in [[row["id"] for row in group] for group in groups.values()]
    assert max(len(group) for group in groups.values()) == 3
    thirds = [row["id"] for i in range(3) for row in table.shard(i, 3)]
    assert sorted(thirds) == sorted(row["id"] for row in rows)
