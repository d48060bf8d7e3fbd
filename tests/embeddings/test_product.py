from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from PIL import Image

from earthenware import storage
from earthenware.chips import ChipStore, column
from earthenware.embeddings import EmbedSpec, embed, hilbert_order
from earthenware.errors import EarthenwareError
from earthenware.inference import embed_chips, load_package
from earthenware.products import EMBEDDINGS_FILE, EmbeddingProduct, product_schema


def table_of(report) -> pa.Table:
    return pq.read_table(Path(report.output) / EMBEDDINGS_FILE)


def test_rows_are_those_of_the_store_in_hilbert_order(inputs, product):
    store, table = ChipStore.open(inputs.chips), table_of(product)
    assert product.manifest.counts == {"embeddings": len(store), "dimensions": 32}
    assert table.schema.equals(product_schema(32, thumbnails=True))
    index = {row["chip_id"]: row for row in store.index.to_pylist()}
    assert sorted(table["id"].to_pylist()) == sorted(index)
    lon, lat, ids = (table[name].to_numpy(zero_copy_only=False) for name in ("lon", "lat", "id"))
    assert hilbert_order(lon, lat, ids.astype(str)).tolist() == list(range(len(table)))
    for row in table.to_pylist():
        chip = index[row["id"]]
        for name in ("lon", "lat", "datetime", "geometry", "gsd", "site", "split", "scene_id", "crs"):
            assert row[name] == chip[name]
        west, south, east, north = shapely.from_wkb(row["geometry"]).bounds
        assert row["bbox"] == {"xmin": west, "ymin": south, "xmax": east, "ymax": north}
        assert west < row["lon"] < east
        assert south < row["lat"] < north
        assert row["cloud_fraction"] == chip[column("sentinel-2-l2a", "cloud_fraction")]
        present = ["sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"]
        if row["site"] == "site01":
            present.remove("sentinel-1-rtc")
        assert row["sensors"] == present
        assert row["source_items"] == [f"{sensor}-{row['scene_id']}" for sensor in present]


def test_vectors_are_those_of_inference(inputs, product):
    store, package = ChipStore.open(inputs.chips), load_package(f"{inputs.model}/model")
    table = table_of(product)
    ids = store.index["chip_id"].to_pylist()
    rows = [ids.index(name) for name in table["id"].to_pylist()]
    expected = embed_chips(store, package, rows, batch_size=7)
    vectors = np.array(table["embedding"].to_pylist(), np.float32)
    np.testing.assert_allclose(vectors, expected.embeddings, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(table["valid_fraction"].to_numpy(), expected.valid_fraction, rtol=1e-6)
    np.testing.assert_allclose(table["reconstruction_loss"].to_numpy(), expected.reconstruction_loss, rtol=1e-4)
    assert set(table["model_digest"].to_pylist()) == {package.digest}
    whole = [row for row in table.to_pylist() if row["cloud_fraction"] == 0 and row["site"] != "site01"]
    assert all(row["valid_fraction"] == 1 for row in whole)
    assert all(row["valid_fraction"] == pytest.approx(1 - 0.5 * 10 / 13) for row in table.to_pylist()
               if row["cloud_fraction"] == 0.5 and row["site"] != "site01")  # fmt: skip


def test_file_follows_the_practice_for_embeddings(product):
    meta = pq.read_metadata(Path(product.output) / EMBEDDINGS_FILE)
    group = meta.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {chunk.compression for chunk in columns.values()} == {"ZSTD"}
    assert "BYTE_STREAM_SPLIT" in columns["embedding.list.element"].encodings
    for edge in ("xmin", "ymin", "xmax", "ymax"):  # what a reader prunes row groups by
        assert columns[f"bbox.{edge}"].statistics.has_min_max
    emb = json.loads(meta.metadata[b"emb"])
    assert (emb["type"], emb["dimensions"], emb["data_type"]) == ("chip", 32, "float32")
    assert emb["model"]["digest"] == table_of(product)["model_digest"][0].as_py()


def test_row_groups_have_the_stated_size_wherever_the_parts_end(inputs, tmp_path):
    from earthenware.embeddings import _write

    table = pq.read_table(
        Path(embed(EmbedSpec(), inputs.chips, inputs.model, str(tmp_path / "e")).output) / EMBEDDINGS_FILE
    )
    for name, parts in {"one": [table], "many": [table.slice(i, 5) for i in range(0, len(table), 5)]}.items():
        _write.write_product(
            tmp_path / name, parts, table.schema, bounds=None, emb={}, row_group_bytes=9 * (4 * 32 + 3000)
        )
        meta = pq.read_metadata(tmp_path / name)
        assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [9, 9, 9, 9]
        assert pq.read_table(tmp_path / name).equals(table)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


def test_thumbnails_are_small_pictures_and_can_be_left_out(inputs, product, tmp_path):
    sizes = [len(thumbnail) for thumbnail in table_of(product)["thumbnail"].to_pylist()]
    assert max(sizes) < 4000
    image = Image.open(io.BytesIO(table_of(product)["thumbnail"][0].as_py()))
    assert (image.format, image.size) == ("JPEG", (32, 32))
    bare = embed(EmbedSpec(thumbnails=False), inputs.chips, inputs.model, str(tmp_path / "bare"))
    assert "thumbnail" not in table_of(bare).schema.names
    small = embed(EmbedSpec(thumbnail_size=16), inputs.chips, inputs.model, str(tmp_path / "small"))
    assert Image.open(io.BytesIO(table_of(small)["thumbnail"][0].as_py())).size == (16, 16)


def test_splits_choose_chips(inputs, tmp_path):
    report = embed(EmbedSpec(splits="validation"), inputs.chips, inputs.model, str(tmp_path / "v"))
    assert set(table_of(report)["split"].to_pylist()) == {"validation"}
    with pytest.raises(EarthenwareError, match="no chips of the splits nowhere") as caught:
        embed(EmbedSpec(splits="nowhere"), inputs.chips, inputs.model, str(tmp_path / "none"))
    assert caught.value.code == "NO_CHIPS"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_killed_export_resumes_and_gives_the_same_bytes(inputs, product, tmp_path, monkeypatch, after):
    from earthenware import inference

    calls = []

    def counting(store, package, indices, **options):
        if len(calls) == after:
            raise Killed
        calls.append(len(indices))
        return embed_chips(store, package, indices, **options)

    output = str(tmp_path / "killed")
    monkeypatch.setattr(inference, "embed_chips", counting)
    with pytest.raises(Killed):
        embed(EmbedSpec(part_chips=10), inputs.chips, inputs.model, output)
    with pytest.raises(EarthenwareError):
        EmbeddingProduct.open(output)  # nothing of it counts yet
    calls.clear()
    after = 99
    report = embed(EmbedSpec(part_chips=10), inputs.chips, inputs.model, output)
    assert len(calls) < 4
    whole = storage.read_bytes(storage.join(product.output, EMBEDDINGS_FILE))
    assert storage.read_bytes(storage.join(output, EMBEDDINGS_FILE)) == whole
    assert report.manifest.digest == product.manifest.digest


def test_damaged_rows_of_a_killed_export_are_not_gone_on_from(inputs, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise Killed

    output = str(tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr("earthenware.embeddings._embed.write_product", killed)
        with pytest.raises(Killed):
            embed(EmbedSpec(), inputs.chips, inputs.model, output)
    (rows,) = Path(output).glob("parts/*/*/rows.parquet")
    data = bytearray(rows.read_bytes())
    data[-20] ^= 4
    rows.write_bytes(data)
    with pytest.raises(EarthenwareError, match=r"rows\.parquet' is not what this step wrote") as caught:
        embed(EmbedSpec(), inputs.chips, inputs.model, output)
    assert caught.value.code == "OUTPUT_DAMAGED"


def test_a_finished_export_is_not_done_again(inputs, product):
    assert embed(EmbedSpec(part_chips=10), inputs.chips, inputs.model, product.output).reused


def test_a_chip_without_valid_pixels_is_left_out(inputs, tmp_path, monkeypatch):
    from earthenware import inference

    def blind(store, package, indices, **options):
        result = embed_chips(store, package, indices, **options)
        result.valid_fraction[0], result.embeddings[1, 3] = 0, np.nan
        return result

    monkeypatch.setattr(inference, "embed_chips", blind)
    report = embed(EmbedSpec(), inputs.chips, inputs.model, str(tmp_path / "blind"))
    assert report.manifest.counts["embeddings"] == 34
    assert report.manifest.rejects == {"NO_VALID_PIXELS": 1, "NOT_FINITE": 1}
    with pytest.raises(EarthenwareError, match="2 of 36 records were rejected") as caught:
        embed(EmbedSpec(reject_limit=0.01), inputs.chips, inputs.model, str(tmp_path / "strict"))
    assert caught.value.code == "TOO_MANY_REJECTS"


def test_an_input_that_is_no_model_is_named(inputs, tmp_path):
    with pytest.raises(EarthenwareError, match="holds no trained model") as caught:
        embed(EmbedSpec(), inputs.chips, inputs.chips, str(tmp_path / "x"))
    assert caught.value.code == "NO_MODEL"


def test_a_product_in_an_object_store_is_the_same(inputs, product, bucket):
    report = embed(EmbedSpec(part_chips=10), inputs.chips, inputs.model, f"{bucket}/run/embed")
    assert report.manifest.digest == product.manifest.digest
    here, there = EmbeddingProduct.open(product.output), EmbeddingProduct.open(report.output)
    np.testing.assert_array_equal(here.embeddings, there.embeddings)
    links = storage.read_json(storage.join(report.output, "collection.json"))["links"]
    assert next(link["href"] for link in links if link["rel"] == "emb:source-data").startswith("/")
