from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earthenware.cli._main import _call
from earthenware.embeddings import search
from earthenware.embeddings._search import great_circle_km
from earthenware.errors import EarthenwareError
from earthenware.products import EMBEDDINGS_FILE, EmbeddingProduct


def brute_force(product: EmbeddingProduct, row: int, allowed: np.ndarray) -> list[tuple[str, float]]:
    vectors = product.embeddings.astype(np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = 1 - units @ units[row]
    order = [i for i in np.argsort(distances, kind="stable") if allowed[i] and i != row]
    return [(product.column("id")[i], distances[i]) for i in order]


@pytest.mark.parametrize("other_sites", [False, True])
def test_search_is_exact(product, other_sites):
    opened = EmbeddingProduct.open(product.output)
    sites = opened.column("site")
    for row in range(0, len(opened), 5):
        found = search(opened, chip_id=opened.column("id")[row], k=7, other_sites=other_sites)
        allowed = sites != sites[row] if other_sites else np.ones(len(opened), bool)
        expected = brute_force(opened, row, allowed)[:7]
        assert [match.id for match in found] == [name for name, _ in expected]
        assert [match.distance for match in found] == pytest.approx([distance for _, distance in expected], abs=1e-12)
        assert found.query.id == opened.column("id")[row]
        assert found.rows == len(opened)


def test_search_finds_chips_of_the_same_kind(product):
    covers = [(int(name[4:6]) + int(name[16:19])) % 3 for name in EmbeddingProduct.open(product.output).column("id")]
    opened = EmbeddingProduct.open(product.output)
    hits = 0
    for row in range(len(opened)):
        best = search(opened, chip_id=opened.column("id")[row], k=1, other_sites=True).neighbours[0]
        hits += covers[row] == covers[opened.column("id").tolist().index(best.id)]
    assert hits / len(opened) > 0.6  # by chance a third


def test_search_by_position_takes_the_chip_there(product):
    opened = EmbeddingProduct.open(product.output)
    row = opened.table.slice(11, 1).to_pylist()[0]
    inside = (row["lon"] + 0.0012, row["lat"] - 0.0008)
    found = search(product.output, lonlat=inside, k=3)
    assert found.query.id == row["id"]
    assert found.distance_km == pytest.approx(0.129, abs=0.02)
    assert (found.query.lon, found.query.lat, found.query.datetime) == (row["lon"], row["lat"], row["datetime"])
    assert [match.id for match in found] == [match.id for match in search(opened, chip_id=row["id"], k=3)]
    assert found.query.thumbnail is not None
    assert found.to_json()["query"]["datetime"].endswith("+00:00")


def test_of_several_dates_the_newest_is_taken(product, tmp_path):
    table = pq.read_table(Path(product.output) / EMBEDDINGS_FILE)
    later = table.slice(0, 1).to_pylist()[0]
    place = (later["lon"], later["lat"])
    later = {**later, "id": "later", "datetime": later["datetime"].replace(year=2023)}
    pq.write_table(pa.concat_tables([pa.Table.from_pylist([later], table.schema), table]), tmp_path / "two.parquet")
    assert search(str(tmp_path / "two.parquet"), lonlat=place, k=1).query.id == "later"


def test_fewer_neighbours_where_there_are_no_more(product):
    opened = EmbeddingProduct.open(product.output)
    name = opened.column("id")[0]
    assert len(search(opened, chip_id=name, k=1000).neighbours) == len(opened) - 1
    others = int((opened.column("site") != opened.column("site")[0]).sum())
    assert len(search(opened, chip_id=name, k=1000, other_sites=True).neighbours) == others


def fails(code: str, *words: str, **query) -> None:
    with pytest.raises(EarthenwareError) as caught:
        search(**query)
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value)


def test_wrong_queries_say_what_to_do(product):
    uri = product.output
    fails("BAD_QUERY", product=uri)
    fails("BAD_QUERY", product=uri, chip_id="a", lonlat=(0, 0))
    fails("BAD_QUERY", "k must be", product=uri, chip_id="a", k=0)
    fails("BAD_QUERY", "longitude first", product=uri, lonlat=(45.0, 95.0))
    fails("BAD_QUERY", product=uri, lonlat=(float("nan"), 0.0))
    fails("UNKNOWN_CHIP", "'site03_20210601_002_000'", product=uri, chip_id="site03_20210601_002_00")
    fails("UNKNOWN_CHIP", product=uri, chip_id="")
    fails("OUTSIDE_PRODUCT", "km away", "site00_20210601", product=uri, lonlat=(8.0, 45.15))


def test_the_command_says_what_is_wrong_and_reads_a_single_file(product, tmp_path, capsys):
    where = str(tmp_path / "one.parquet")
    table = pq.read_table(Path(product.output) / EMBEDDINGS_FILE)
    ids = pa.array(["\x1b[31mred", *table["id"].to_pylist()[1:]])
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", ids), where)
    assert _call(["search", where, "--lonlat", "nan", "0"]) == 2
    assert _call(["search", where, "--lonlat", "181", "0"]) == 2
    assert _call(["search", where, "--chip-id", "\x1b[2J"]) == 2
    assert _call(["search", where, "--chip-id", "\x1b[31mred"]) == 0
    said = capsys.readouterr()
    assert said.err.count("BAD_QUERY") == 2
    assert "no chip '\\x1b[2J'" in said.err
    assert "Like \\x1b[31mred (" in said.out
    assert "\x1b" not in said.err + said.out


def test_outside_the_product_the_distance_is_right(product):
    with pytest.raises(EarthenwareError, match=r"is 78\.\d km away"):
        search(product.output, lonlat=(8.0, 45.15))  # one degree of longitude at 45.15 degrees north is 78.4 km


def test_what_is_no_product_is_named(product, inputs, tmp_path):
    fails("NO_PRODUCT", "holds no embedding product", product=str(tmp_path), chip_id="a")
    fails("NO_PRODUCT", "output of 'build'", product=inputs.chips, chip_id="a")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    fails("PRODUCT_CORRUPT", "no column 'geometry'", product=str(tmp_path / "other.parquet"), chip_id="a")


def test_damage_is_noticed(product, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(product.output, copy)
    data = bytearray((copy / EMBEDDINGS_FILE).read_bytes())
    data[len(data) // 2] ^= 0xFF
    for file in copy.rglob(EMBEDDINGS_FILE):  # the copy has two files of what was one with two names
        file.write_bytes(data)
    fails("OUTPUT_DAMAGED", "is not what its step wrote", product=str(copy), chip_id="a")
    (tmp_path / "short.parquet").write_bytes(data[: len(data) // 2])
    fails("NOT_PARQUET", "not a whole Parquet file", product=str(tmp_path / "short.parquet"), chip_id="a")


def test_wrong_columns_and_vectors_are_named(product, tmp_path):
    table = pq.read_table(Path(product.output) / EMBEDDINGS_FILE)
    place = table.schema.get_field_index("embedding")
    broken = np.array(table["embedding"].to_pylist(), np.float32)
    broken[4, 0] = np.inf
    ragged = pa.array(broken.tolist(), pa.list_(pa.float32()))
    infinite = pa.FixedSizeListArray.from_arrays(pa.array(broken.ravel()), 32)
    for name, values, word in (("ragged", ragged, "of one length"), ("inf", infinite, table["id"][4].as_py())):
        pq.write_table(table.set_column(place, "embedding", values), tmp_path / f"{name}.parquet")
        fails("PRODUCT_CORRUPT", word, product=str(tmp_path / f"{name}.parquet"), chip_id="a")
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    fails("EMPTY_PRODUCT", product=str(tmp_path / "empty.parquet"), chip_id="a")


def test_a_product_without_its_manifest_can_be_searched(product, tmp_path):
    shutil.copy(Path(product.output) / EMBEDDINGS_FILE, tmp_path / EMBEDDINGS_FILE)
    assert len(search(str(tmp_path), chip_id="site00_20210601_000_000", k=2).neighbours) == 2


@pytest.mark.parametrize(
    ("start", "end", "km"),
    [
        ((0, 0), (0, 90), 10007.557),
        ((179.9, 0), (-179.9, 0), 22.239),
        ((10, 45), (10, 45), 0.0),
        ((0, 0), (180, 0), 20015.1),
    ],
)
def test_great_circles(start, end, km):
    assert great_circle_km(*start, np.array([end[0]]), np.array([end[1]]))[0] == pytest.approx(km, rel=1e-4)
