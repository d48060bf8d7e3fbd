"""A file of items is read item by item: what it holds and what it lacks is the same, and memory does not grow."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware.catalog import QuerySpec, _file, query, read_items
from earthenware.errors import EarthenwareError
from tests.catalog.items import optical, radar, write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(
    features=st.lists(JSON, max_size=6),
    before=st.dictionaries(st.text(max_size=4), JSON, max_size=2),
    after=st.dictionaries(st.text(max_size=4), JSON, max_size=2),
    kind_first=st.booleans(),
    indent=st.sampled_from([None, 0, 3]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    piece=st.integers(4, 200),
    cut=st.integers(0, 10**6),
)
def test_pieces_of_any_size_make_the_same_items(
    features: list[Any],
    before: dict[str, Any],
    after: dict[str, Any],
    kind_first: bool,
    indent: int | None,
    encoding: str,
    piece: int,
    cut: int,
) -> None:
    kind = {"type": "FeatureCollection"}
    document = {**before, **(kind if kind_first else {}), "features": features, **after, **kind}
    data = json.dumps(document, indent=indent).encode(encoding)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_file, "_PIECE", piece)
        path = Path(folder) / "items.json"
        path.write_bytes(data)
        assert list(read_items(str(path))) == json.loads(data)["features"]
        path.write_bytes(data[: cut % (len(data) - 2)])  # the last two bytes may be one sign
        with pytest.raises(EarthenwareError) as error:
            list(read_items(str(path)))
        assert error.value.code == "NOT_JSON"
        path.write_bytes(data + " x".encode(encoding.removesuffix("-sig"))[-2 if encoding != "utf-16" else -4 :])
        with pytest.raises(EarthenwareError) as error:
            list(read_items(str(path)))
        assert error.value.code == "NOT_JSON"


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    item = json.dumps({"id": "x" * 10_000})
    path = tmp_path / "items.json"
    path.write_text(f'{{"features": [{",".join([item] * 4_000)}], "type": "FeatureCollection"}}')
    assert path.stat().st_size > 4e7
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_items(str(path))) == 4_000
        assert tracemalloc.get_traced_memory()[1] < 2.5e7
    finally:
        tracemalloc.stop()


def test_max_items_bounds_a_file(tmp_path: Path) -> None:
    ground = (500_003.0, 5_494_887.0, 505_123.0, 5_500_007.0)
    items = [optical(f"o{day}", f"2023-06-{day:02d}T10:00:00Z") for day in range(1, 7)]
    catalog = write(tmp_path, [*items, radar("r", "2023-06-01T05:00:00Z", ground)])
    with pytest.raises(EarthenwareError, match="more than max_items = 5 items of sentinel-2-l2a") as error:
        query(QuerySpec(catalog=catalog, max_items=5), str(tmp_path / "out"))
    assert error.value.code == "TOO_MANY_ITEMS"
    narrow = QuerySpec(catalog=catalog, max_items=5, datetime="2023-06-01/2023-06-05")
    assert query(narrow, str(tmp_path / "narrow")).manifest.counts["base_items"] == 5
    radars = [radar(f"r{day}", f"2023-06-{day:02d}T05:00:00Z", ground) for day in range(1, 7)]
    catalog = write(tmp_path, [items[0], *radars], "radar.json")
    with pytest.raises(EarthenwareError, match="items of sentinel-1-rtc"):
        query(QuerySpec(catalog=catalog, max_items=5), str(tmp_path / "other"))
