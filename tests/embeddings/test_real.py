"""Embeddings of real places: the right pixels under the right coordinates and times."""

from __future__ import annotations

import io
import json
from datetime import datetime
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
import rasterio
from PIL import Image

from earthenware.catalog import QuerySpec, query
from earthenware.datacube import BuildSpec, build
from earthenware.embeddings import EmbedSpec, embed, search
from earthenware.products import EMBEDDINGS_FILE
from earthenware.testing import make_model


@pytest.fixture(scope="module")
def real(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("real")
    scenes = query(QuerySpec(catalog=str(realdata / "mini_catalog/items.json")), str(folder / "scenes")).output
    chips = build(BuildSpec(workers=1), scenes, str(folder / "chips")).output
    model = make_model(chips, str(folder / "train")).output
    return embed(EmbedSpec(), chips, model, str(folder / "embed")).output


@pytest.fixture(scope="module")
def items(realdata: Path) -> list[dict]:
    features = json.loads((realdata / "mini_catalog/items.json").read_text())["features"]
    return [item for item in features if item["collection"] == "sentinel-2-l2a"]


def test_every_chip_lies_in_its_item_and_has_its_time(real, items):
    rows = pq.read_table(Path(real) / EMBEDDINGS_FILE).to_pylist()
    assert len({row["scene_id"] for row in rows}) == 3
    for row in rows:
        item = next(item for item in items if item["id"] in row["source_items"])
        west, south, east, north = item["bbox"]
        assert west < row["lon"] < east
        assert south < row["lat"] < north
        moment = item["properties"]["datetime"].replace("Z", "+00:00")
        assert row["datetime"] == datetime.fromisoformat(moment)
        assert row["sensors"] == ["sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"]
        assert len(row["source_items"]) == 3


def test_thumbnails_show_what_lies_at_their_coordinates(real, items, realdata):
    for row in pq.read_table(Path(real) / EMBEDDINGS_FILE).to_pylist():
        item = next(item for item in items if item["id"] in row["source_items"])
        with rasterio.open(realdata / "mini_catalog" / item["assets"]["B04"]["href"]) as file:
            x, y = pyproj.Transformer.from_crs("OGC:CRS84", file.crs, always_xy=True).transform(row["lon"], row["lat"])
            column, line = ~file.transform @ (x, y)
            left, top = round(column) - 32, round(line) - 32
            raw = file.read(1).astype(float)
        shown = np.asarray(Image.open(io.BytesIO(row["thumbnail"])))[..., 0].astype(float).ravel()
        agreement = {}
        for down, right in product(range(-2, 3), repeat=2):
            cut = raw[max(0, top + down) : top + down + 64, max(0, left + right) : left + right + 64]
            if cut.shape == (64, 64):
                agreement[down, right] = np.corrcoef(cut.ravel(), shown)[0, 1]
        assert max(agreement, key=agreement.__getitem__) == (0, 0), row["id"]  # not off by a pixel
        # JPEG keeps little of open water, which has no contrast.
        assert agreement[0, 0] > (0.94 if shown.std() > 10 else 0.6), row["id"]


def test_search_by_position_on_three_continents(real):
    for lon, lat, date in (
        (-48.106, -25.316, "2021-07-23"),
        (34.066, -3.401, "2023-06-10"),
        (-72.479, -38.831, "2020-04-08"),
    ):
        found = search(real, lonlat=(lon, lat), k=3)
        assert found.query.datetime is not None
        assert f"{found.query.datetime:%Y-%m-%d}" == date
        assert found.distance_km is not None
        assert found.distance_km < 0.5
