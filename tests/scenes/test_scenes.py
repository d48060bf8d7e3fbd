"""The table of scenes: what is written is read, and what is no scene is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.scenes import ChosenItem, Scene, open_scenes, parse_scene, scenes_table
from earthenware.sensors import SENSORS

BASES = [one.id for one in SENSORS.values() if one.role == "base"]
OTHERS = [one.id for one in SENSORS.values() if one.role != "base"]
MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
TEXTS = st.text("abcdefXYZ0123-._/äß", min_size=1, max_size=12)
ITEMS = st.builds(
    lambda name, moment, extra: ChosenItem(name, moment, {"id": name, "properties": extra}),
    TEXTS,
    MOMENTS,
    st.dictionaries(TEXTS, st.none() | st.booleans() | st.floats(-1e9, 1e9) | TEXTS, max_size=3),
)
METRES = st.floats(-2e6, 9e6, allow_nan=False)


@st.composite
def tables(draw: Any) -> tuple[list[Scene], list[str]]:
    """Scenes of one base sensor, and the sensors that have a column."""
    base = draw(st.sampled_from(BASES))
    sensors = [base, *draw(st.lists(st.sampled_from(OTHERS), unique=True))]
    gsd = SENSORS[base].gsd_m
    scenes = []
    for name in draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)):
        shape = draw(st.tuples(st.integers(1, 20000), st.integers(1, 20000)))
        left, top = draw(METRES), draw(METRES)
        west, south = draw(st.floats(-179, 170)), draw(st.floats(-80, 70))
        scenes.append(
            Scene(
                id=name,
                site=draw(TEXTS),
                datetime=draw(MOMENTS),
                geometry=shapely.box(west, south, west + 1, south + 2),
                grid=GeoBox(
                    shape, Affine(gsd, 0, left, 0, -gsd, top), draw(st.sampled_from(["EPSG:32633", "EPSG:3035"]))
                ),
                items={one: tuple(draw(st.lists(ITEMS, min_size=int(one == base), max_size=2))) for one in sensors},
                catalog=draw(TEXTS),
                split=draw(st.sampled_from(["train", "validation", "test"])),
                withheld=tuple(draw(st.lists(st.tuples(METRES, METRES, METRES, METRES), max_size=2))),
            )
        )
    return scenes, sensors


@settings(max_examples=60, deadline=None)
@given(made=tables())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, made: tuple[list[Scene], list[str]]) -> None:
    scenes, sensors = made
    uri = str(tmp_path_factory.mktemp("scenes") / "scenes.parquet")
    storage.write_table(scenes_table(scenes, sensors), uri)
    found = open_scenes(uri)
    assert found.sensors == tuple(sensors)
    assert found.base == sensors[0]
    assert found.scenes() == scenes
    assert found.scenes({scenes[-1].id}) == scenes[-1:]
    assert {scene.base for scene in found.scenes()} == {sensors[0]}


@settings(max_examples=30, deadline=None)
@given(made=tables(), count=st.integers(1, 5))
def test_shards_divide_the_scenes_whatever_their_order(made: tuple[list[Scene], list[str]], count: int) -> None:
    from earthenware.scenes import SceneTable

    scenes, sensors = made
    table, reverse = (SceneTable(scenes_table(some, sensors)) for some in (scenes, scenes[::-1]))
    ids = [row["id"] for index in range(count) for row in table.shard(index, count)]
    assert sorted(ids) == sorted(scene.id for scene in scenes)
    assert ids == [row["id"] for index in range(count) for row in reverse.shard(index, count)]


def a_scene(**changes: Any) -> Scene:
    values: dict[str, Any] = {
        "id": "a",
        "site": "33UVR",
        "datetime": datetime(2021, 6, 1, tzinfo=UTC),
        "geometry": shapely.box(14, 47, 15, 48),
        "grid": GeoBox((64, 64), Affine(10, 0, 500_003, 0, -10, 5_300_007), "EPSG:32633"),
        "items": {"sentinel-2-l2a": (ChosenItem("x", datetime(2021, 6, 1, tzinfo=UTC), {"id": "x"}),)},
    }
    return Scene(**{**values, **changes})


def test_the_file_is_geoparquet(tmp_path: Path) -> None:
    uri = str(tmp_path / "scenes.parquet")
    storage.write_table(scenes_table([a_scene()], ["sentinel-2-l2a"]), uri)
    geo = json.loads(pq.read_schema(uri).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"][geo["primary_column"]] == {
        "encoding": "WKB",
        "edges": "planar",
        "geometry_types": ["Polygon"],
        "bbox": [14.0, 47.0, 15.0, 48.0],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transform": [20, 0, 0, 0, -20, 0]}, "pixels of 10 m"),
        ({"transform": [10, 1, 0, 0, -10, 0]}, "north-up"),
        ({"transform": [10, 0, 0, 0, -10]}, "a"),
        ({"transform": [10, 0, float("nan"), 0, -10, 0]}, "north-up"),
        ({"crs": "EPSG:4326"}, "not in metres"),
        ({"crs": "EPSG:1"}, "a"),
        ({"height": None}, "a"),
        ({"geometry": b"nonsense"}, "a"),
        ({"sentinel-2-l2a": [{"id": "x", "datetime": None, "item": "{"}]}, "a"),
        ({"sentinel-2-l2a": [{"id": "x", "datetime": None, "item": "[]"}]}, "not a JSON object"),
        ({"withheld": [[1, 2, 3]]}, "a"),
    ],
)
def test_a_row_that_is_no_scene_is_named_with_its_reason(change: dict[str, Any], words: str) -> None:
    row = scenes_table([a_scene()], ["sentinel-2-l2a"]).to_pylist()[0]
    assert parse_scene(row, ["sentinel-2-l2a"]) == a_scene()
    with pytest.raises(EarthenwareError, match="Scene 'a' cannot be used") as raised:
        parse_scene({**row, **change}, ["sentinel-2-l2a"])
    assert raised.value.code == "BAD_SCENE"
    assert words in raised.value.message


def test_a_grid_is_of_the_base_sensors_own_pixels() -> None:
    landsat = a_scene(
        grid=GeoBox((64, 64), Affine(30, 0, 500_015, 0, -30, 5_300_025), "EPSG:32633"),
        items={"landsat-c2-l2": (), "sentinel-1-rtc": ()},
    )
    row = scenes_table([landsat], ["landsat-c2-l2", "sentinel-1-rtc"]).to_pylist()[0]
    assert parse_scene(row, ["landsat-c2-l2"]).grid.resolution.x == 30
    assert parse_scene(row, ["sentinel-1-rtc", "landsat-c2-l2"]).base == "landsat-c2-l2"


@pytest.mark.parametrize("sensors", [["sentinel-1-rtc"], ["sentinel-2-l2a", "landsat-c2-l2"]])
def test_a_table_has_one_base_sensor(tmp_path: Path, sensors: list[str]) -> None:
    uri = str(tmp_path / "scenes.parquet")
    storage.write_table(scenes_table([a_scene()], sensors), uri)
    with pytest.raises(EarthenwareError, match="base sensor") as raised:
        open_scenes(uri)
    assert raised.value.code == "BAD_SCENES"
