"""Items whose values nobody would think of: each is left out with its reason, and the query and the build go on."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from earthenware.catalog import QuerySpec, query
from earthenware.chips import ChipStore
from earthenware.datacube import BuildSpec, build
from earthenware.sandbox import SandboxSpec, make_sandbox
from earthenware.scenes import open_scenes
from tests.catalog.items import optical, write
from tests.catalog.stand_in import StandIn
from tests.catalog.test_query_api import LANDING

ENDLESS = int("7" * 400)
DIRECTED: dict[str, tuple[tuple[str, ...], Any]] = {
    "before year 1": (("properties", "datetime"), "0001-01-01T00:00:00+14:00"),
    "after year 9999": (("properties", "datetime"), "9999-12-31T23:59:59-14:00"),
    "made before year 1": (("properties", "created"), "0001-01-01T00:00:00+14:00"),
    "made after year 9999": (("properties", "created"), "9999-12-31T23:59:59-14:00"),
    "year 1": (("properties", "datetime"), "0001-01-01T00:00:00Z"),
    "year 9999": (("properties", "datetime"), "9999-12-31T23:59:59Z"),
    "cloud cover": (("properties", "eo:cloud_cover"), ENDLESS),
    "infinite shape": (("assets", "B02", "proj:shape"), [math.inf, 1]),
    "endless shape": (("assets", "B02", "proj:shape"), [ENDLESS, ENDLESS]),
    "endless transform": (("assets", "B02", "proj:transform"), [10.0, 0.0, ENDLESS, 0.0, -10.0, 5_500_007.0]),
    "far transform": (("assets", "B02", "proj:transform"), [10.0, 0.0, 1e300, 0.0, -10.0, 1e300]),
    "endless coordinates": (("geometry", "coordinates"), [[[0, 0], [ENDLESS, 0], [ENDLESS, 1], [0, 0]]]),
    "half a character": (("id",), "bad \ud800"),
    "properties": (("properties",), [None]),
    "links true": (("links",), True),
    "links 5": (("links",), 5),
    "half an address": (("assets", "B02", "href"), "http://["),
    "a number that Python does not read": (("properties", "eo:cloud_cover"), "DIGITS"),
    "depth": (("properties", "proj:projjson"), json.loads("[" * 200 + "]" * 200)),
    "a vertical CRS": (("assets", "B02", "proj:code"), "EPSG:5703"),
    "a CRS of the whole Earth": (("assets", "B02", "proj:code"), "EPSG:4978"),
}


def put(item: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a copy of an item with another value at a place."""
    changed = place = copy.deepcopy(item)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize("kind", DIRECTED)
def test_an_absurd_item_is_left_out_with_its_reason(tmp_path: Path, kind: str) -> None:
    path, value = DIRECTED[kind]
    bad = put(optical("bad", "2023-06-10T10:00:00Z", tile="33UVS"), path, value)
    catalog = Path(write(tmp_path, [optical("good", "2023-06-10T10:00:00Z"), bad]))
    catalog.write_text(catalog.read_text().replace('"DIGITS"', "7" * 5000))
    report = query(QuerySpec(catalog=str(catalog), reject_limit=0.5), str(tmp_path / "out"))
    (row,) = pq.read_table(f"{report.output}/scenes.parquet").to_pylist()
    assert row["sentinel-2-l2a"][0]["id"] == "good"
    (reject,) = pq.read_table(f"{report.output}/rejects.parquet").to_pylist()
    assert reject["record"].startswith("bad")
    assert reject["reason"] in {"MALFORMED_ITEM", "NO_GRID"}
    assert len(reject["message"]) > 10


def test_a_box_of_hundreds_of_digits(tmp_path: Path) -> None:
    bad = {**optical("bad", "2023-06-10T10:00:00Z"), "geometry": None, "bbox": [0, 0, ENDLESS, 1]}
    catalog = write(tmp_path, [optical("good", "2023-06-10T10:00:00Z"), bad])
    assert query(QuerySpec(catalog=catalog, reject_limit=0.5), str(tmp_path / "out")).manifest.rejects == {
        "MALFORMED_ITEM": 1
    }


def test_an_item_of_half_the_earth(tmp_path: Path) -> None:
    """Its longitudes span 180 degrees on one side of Greenwich, so that nothing lies on the other."""
    wide = optical("wide", "2023-06-10T10:00:00Z")
    wide["geometry"] = {"type": "Polygon", "coordinates": [[[0, 40], [180.5, 40], [180.5, 60], [0, 60], [0, 40]]]}
    report = query(QuerySpec(catalog=write(tmp_path, [wide])), str(tmp_path / "out"))
    assert report.manifest.counts["scenes"] == 1


@pytest.mark.parametrize("kind", ["year 9999", "links true", "properties", "half an address", "far transform"])
def test_an_api_that_answers_with_an_absurd_item(httpserver: HTTPServer, tmp_path: Path, kind: str) -> None:
    class Blind(StandIn):
        @staticmethod
        def _matches(item: dict[str, Any], body: dict[str, Any]) -> bool:
            return item["collection"] in body["collections"]

    bad = put(optical("bad", "2023-06-10T10:00:00Z", tile="33UVS"), *DIRECTED[kind])
    api = Blind(httpserver, LANDING, [optical("good", "2023-06-10T10:00:00Z"), bad])
    spec = QuerySpec(catalog=api.url, bbox="10,40,20,60", datetime="2023", reject_limit=0.5)
    report = query(spec, str(tmp_path / "out"))
    assert sum(report.manifest.rejects.values()) == 1
    assert report.manifest.counts["scenes"] == 1


@pytest.fixture(scope="module")
def earth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of one place, with all sensors."""
    folder = tmp_path_factory.mktemp("earth")
    make_sandbox(SandboxSpec(places=1, dates=1, size=64, workers=1), folder)
    return folder


LEAVES = [
    None, True, 0, -1, 5, ENDLESS, -ENDLESS, 2**63, 1e300, -1e308, 5e-324, math.inf, -math.inf, math.nan,
    "", " ", "\ud800", "\0", "x" * 5000, "\x1b[31m", "../..", "http://[", "http://127.0.0.1:9/", "//", "s3://",
    "file://a/b", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "2023-06-10", "EPSG:4978", "EPSG:4326", "EPSG:5703", "EPSG:3857", "EPSG:32701",
    "EPSG:5041", "EPSG:1", "MGRS-", "nan",
    [], {}, [None], [[]], {"": None}, {"\ud800": 1}, [math.inf, 1], [2**31, 2**31], [1, 1], [0, 0],
    [10.0, 0.0, 1e300, 0.0, -10.0, 1e300], [1e300, 0.0, 0.0, 0.0, -1e300, 0.0], [10.0, 0.0, 0.0, 0.0, -10.0, 0.0],
    [5e-324, 0, 0, 0, -5e-324, 0], [10.0, 0.0, 9e7, 0.0, -10.0, 9e7], [-180, -90, 180, 90], [0, 0, 1, 1],
    {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]},
    {"type": "Polygon", "coordinates": [[[-181, 0], [-1, 0], [-1, 1], [-181, 0]]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
    {"type": "GeometryCollection", "geometries": []}, json.loads("[" * 200 + "]" * 200),
]  # fmt: skip
VALUES = st.sampled_from(LEAVES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=3)
"""Which of an item's places, counted round and round, become what."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def mutant(item: dict[str, Any], number: int, changes: list[tuple[int, Any]]) -> dict[str, Any]:
    """Return a copy of an item with a date, and a site, of its own, changed here and there."""
    changed = copy.deepcopy(item)
    changed["id"] = f"mutant-{number}-{item['id']}"
    if changed["properties"].get("datetime"):
        changed["properties"]["datetime"] = f"2022-{number % 12 + 1:02d}-15T10:00:00Z"
    for position, value in changes:
        known = list(places(changed))
        # Half of the places are those of the item's own fields; assets and geometries have many.
        short = [path for path in known if len(path) <= 2]
        chosen = short if position % 2 else known
        changed = put(changed, chosen[position // 2 % len(chosen)], value)
    return changed


MUTANTS = st.lists(st.tuples(st.integers(0, 30), CHANGES), min_size=1, max_size=8)
MANY = st.lists(st.tuples(st.integers(0, 30), CHANGES), min_size=12, max_size=24)


def with_mutants(earth: Path, folder: Path, drawn: list[tuple[int, list[tuple[int, Any]]]]) -> str:
    """Write a catalog of the items of the sandbox, each as it is, and of mutants of them."""
    document = json.loads((earth / "items.json").read_text())
    good = document["features"]
    for item in good:
        for asset in item["assets"].values():
            asset["href"] = str(earth / asset["href"])
    bases = [item for item in good if item["collection"] == "sentinel-2-l2a"]
    bad = []
    for number, (which, changes) in enumerate(drawn):
        pool = bases if which % 2 else good
        bad.append(mutant(pool[which // 2 % len(pool)], number, changes))
    return write(folder, good + bad)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=MUTANTS)
def test_no_item_ends_a_query(earth: Path, drawn: list[tuple[int, list[tuple[int, Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = with_mutants(earth, Path(folder), drawn)
        report = query(QuerySpec(catalog=catalog, scenes_per_site=0, reject_limit=1), f"{folder}/out")
        scenes = open_scenes(report.output).scenes()
        assert len(scenes) == report.manifest.counts["scenes"] >= 1
        rejects = pq.read_table(f"{report.output}/rejects.parquet").to_pylist()
        assert all(one["record"] and len(one["message"]) > 10 for one in rejects)
        assert "INTERNAL" not in {one["reason"] for one in rejects}


@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(drawn=MANY)
def test_no_item_that_passes_a_query_ends_a_build(earth: Path, drawn: list[tuple[int, list[tuple[int, Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = with_mutants(earth, Path(folder), drawn)
        scenes = query(QuerySpec(catalog=catalog, scenes_per_site=0, reject_limit=1), f"{folder}/query")
        spec = BuildSpec(chip_size=32, max_cloud=1, max_nodata=1, reject_limit=1, workers=1, timeout=5, retries=0)
        report = build(spec, scenes.output, f"{folder}/build")
        assert report.manifest.counts["scenes"] == scenes.manifest.counts["scenes"]
        built = set(ChipStore.open(report.output).index["scene_id"].to_pylist())
        assert len(built) + sum(report.manifest.rejects.values()) <= report.manifest.counts["scenes"]
