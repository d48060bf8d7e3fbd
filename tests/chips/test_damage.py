"""Damaged, foreign, old and new stores: one clear error, never wrong pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earthenware.chips import FORMAT_VERSION, ChipStore
from earthenware.chips._document import migrate
from earthenware.errors import EarthenwareError
from earthenware.steps import checksum
from tests.chips._chips import SENSORS, make_chips, make_store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(11)
    make_store(tmp_path, 16, [make_chips(rng, 5, 16, first=first, absent=0.0) for first in (0, 5)])
    return tmp_path


def _shard(root: Path, array: str) -> Path:
    folder = root / "parts/001/attempt/pixels.zarr/sentinel-2-l2a" / array / "c"
    return next(path for path in sorted(folder.rglob("*")) if path.is_file())


def _cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return damage


@pytest.mark.parametrize("array", ["pixels", "mask"])
@pytest.mark.parametrize(
    "damage", [_cut(0.0), _cut(0.5), _cut(0.999), Path.unlink], ids=["empty", "half", "end", "gone"]
)
def test_a_damaged_shard_names_its_part(root: Path, array: str, damage: Callable[[Path], None]) -> None:
    damage(_shard(root, array))
    store = ChipStore.open(str(root))
    store.read("sentinel-2-l2a", 0)  # the other part is whole
    with pytest.raises(EarthenwareError, match=r"parts/001/attempt' is damaged: chip . of sentinel-2-l2a") as raised:
        store.read("sentinel-2-l2a", 7)
    assert raised.value.code == "CHIPS_CORRUPT"
    defects = list(store.verify())
    assert len(defects) == 5
    assert all("parts/001" in defect for defect in defects)


@pytest.mark.parametrize("array", ["pixels", "mask"])
def test_verify_finds_one_flipped_bit(root: Path, array: str) -> None:
    path = _shard(root, array)
    data = bytearray(path.read_bytes())
    data[40] ^= 4
    path.write_bytes(bytes(data))
    defects = list(ChipStore.open(str(root)).verify())
    assert len(defects) == 1
    assert "parts/001" in defects[0]


@pytest.mark.parametrize("damage", [_cut(0.5), Path.unlink], ids=["half", "gone"])
def test_a_damaged_index_names_its_part(root: Path, damage: Callable[[Path], None]) -> None:
    damage(root / "parts/001/attempt/chips.parquet")
    with pytest.raises(EarthenwareError, match="parts/001/attempt' is damaged") as raised:
        len(ChipStore.open(str(root)).index)
    assert raised.value.code == "CHIPS_CORRUPT"
    assert any("chips.parquet" in defect for defect in ChipStore.open(str(root)).verify())


def _rewrite_index(root: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    path = root / "parts/001/attempt/chips.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def _as_text(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("lon"), "lon", table["lon"].cast(pa.string()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table.drop_columns(["scene_id"]), "has no column 'scene_id' of string"),
        (_as_text, "has no column 'lon' of double"),
        (lambda table: table.append_column("more", table["lon"]), "has other columns than the format names"),
        (lambda table: table.slice(1), "chips, not the"),
    ],
    ids=["missing", "type", "more", "fewer"],
)
def test_an_index_of_another_form_says_what_differs(
    root: Path, change: Callable[[pa.Table], pa.Table], told: str
) -> None:
    _rewrite_index(root, change)
    with pytest.raises(EarthenwareError, match=told) as raised:
        len(ChipStore.open(str(root)).index)
    assert raised.value.code == "CHIPS_CORRUPT"
    assert "parts/001" in raised.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop_columns(["split"]), "has no column 'split' of string"),
        (lambda table: table.slice(1), "holds 4 chips, not the 5 stated"),
        (lambda table: table.rename_columns([*table.column_names[:-1], "other"]), "has no column"),
        (lambda table: table.select(table.column_names[::-1]), "has other columns than the format names"),
        (lambda table: table.append_column("more", table["row"]), "has other columns"),
    ],
    ids=["column", "row", "renamed", "order", "more"],
)
def test_an_index_of_another_form_is_said_to_be_so(root: Path, change: Callable[..., Any], words: str) -> None:
    import pyarrow.parquet as pq

    path = root / "parts/001/attempt/chips.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(EarthenwareError, match=f"parts/001/attempt' is damaged: chips.parquet {words}") as raised:
        len(ChipStore.open(str(root)).index)
    assert raised.value.code == "CHIPS_CORRUPT"


def test_verify_finds_a_changed_index(root: Path) -> None:
    path = root / "parts/001/attempt/chips.parquet"
    table = pq.read_table(path)
    where = table.schema.get_field_index("split")
    pq.write_table(table.set_column(where, "split", pa.array(["train"] * len(table))), path)
    assert any("index does not match" in defect for defect in ChipStore.open(str(root)).verify())


def _rewrite(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((root / "store.json").read_text())
    change(document)
    (root / "store.json").write_text(json.dumps({**document, "checksum": checksum(document)}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"chips": "many"}, "chips"), ({"sensors": 3}, "sensors"), ({"parts": [{}]}, "parts.0.path is required")],
)
def test_a_field_of_another_kind_is_refused(root: Path, fields: dict[str, object], words: str) -> None:
    _rewrite(root, lambda document: document.update(fields))
    with pytest.raises(EarthenwareError, match=r"store\.json'.*" + words) as raised:
        ChipStore.open(str(root))
    assert raised.value.code == "NOT_A_CHIP_STORE"


def test_a_missing_field_is_named(root: Path) -> None:
    _rewrite(root, lambda document: document.pop("content_digest"))
    with pytest.raises(EarthenwareError, match="content_digest is required") as raised:
        ChipStore.open(str(root))
    assert raised.value.code == "NOT_A_CHIP_STORE"


def test_a_newer_format_is_refused(root: Path) -> None:
    _rewrite(root, lambda document: document.update(format_version=FORMAT_VERSION + 1))
    with pytest.raises(EarthenwareError, match=f"has format version {FORMAT_VERSION + 1}") as raised:
        ChipStore.open(str(root))
    assert raised.value.code == "STORE_TOO_NEW"
    assert "Update" in raised.value.remedy


@pytest.mark.parametrize("fields", [{"format": "other"}, {"format_version": "1"}, {"format_version": 0}])
def test_another_kind_of_document_is_refused(root: Path, fields: dict[str, object]) -> None:
    _rewrite(root, lambda document: document.update(fields))
    with pytest.raises(EarthenwareError, match="is not a chip store") as raised:
        ChipStore.open(str(root))
    assert raised.value.code == "NOT_A_CHIP_STORE"


def test_no_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EarthenwareError, match=r"store\.json is missing"):
        ChipStore.open(str(tmp_path))


def test_older_documents_pass_through_every_migration() -> None:
    seen = []

    def to(version: int) -> Callable[[dict[str, object]], dict[str, object]]:
        def step(document: dict[str, object]) -> dict[str, object]:
            seen.append((document["format_version"], version))
            return {**document, f"since_{version}": True}

        return step

    old = {"format": "earthenware-chips", "format_version": 1, "chips": 3}
    new = migrate(old, "x", version=3, migrations={1: to(2), 2: to(3)})
    assert new == {**old, "format_version": 3, "since_2": True, "since_3": True}
    assert seen == [(1, 2), (2, 3)]
    assert old["format_version"] == 1


def test_every_past_version_has_a_migration() -> None:
    from earthenware.chips._document import MIGRATIONS

    assert sorted(MIGRATIONS) == list(range(1, FORMAT_VERSION))


def test_sensors_of_the_store_do_not_need_the_sensor_table(root: Path) -> None:
    """A store keeps its meaning when the table of sensors changes."""
    _rewrite(root, lambda document: document["sensors"]["sentinel-1-rtc"].update(scale=0.5))
    store = ChipStore.open(str(root))
    values, _ = store.read("sentinel-1-rtc", 0)
    stored = store.read_stored("sentinel-1-rtc", 0)
    np.testing.assert_allclose(values[stored != -32768], stored[stored != -32768] * 0.5)
    assert set(store.sensors) == set(SENSORS)
