"""The chip store: what goes in comes out, wherever it lies and however it is grouped."""

from __future__ import annotations

import itertools
import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.chips import (
    UNUSABLE,
    BandStatistics,
    ChipStore,
    ChipWriter,
    Mask,
    SensorLayout,
    column,
    merge_documents,
    write_chips,
)
from earthenware.chips import _arrays as arrays
from earthenware.errors import EarthenwareError
from tests.chips._chips import SENSORS, make_chips, make_store, write_part


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    chip_size=st.integers(1, 40),
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    batch=st.integers(1, 10),
    shard_chips=st.integers(1, 10),
)
def test_round_trip(seed: int, chip_size: int, counts: list[int], batch: int, shard_chips: int) -> None:
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "SHARD_BYTES", shard_chips * 10 * 2 * chip_size**2)
        root = Path(folder)
        parts, first = [], 0
        for count in counts:
            parts.append(make_chips(rng, count, chip_size, first=first))
            first += count
        make_store(root, chip_size, parts, batch=batch)
        store = ChipStore.open(str(root))
        assert len(store) == first
        assert store.chip_size == chip_size
        known = {
            row["chip_id"]: (pixels, masks, position, row)
            for pixels, masks, rows in parts
            for position, row in enumerate(rows)
        }
        table = store.index
        assert table["chip_id"].to_pylist() == sorted(known)
        for i, stated in enumerate(table.to_pylist()):
            pixels, masks, position, row = known[stated["chip_id"]]
            assert {key: stated[key] for key in row if not key.endswith("_present")} == {
                key: value for key, value in row.items() if not key.endswith("_present")
            }
            for sensor in SENSORS:
                layout = store.sensors[sensor]
                mask, stored = masks[sensor][position], pixels[sensor][position]
                here = row[column(sensor, "present")] and bool(((mask & Mask.NODATA) == 0).any())
                assert stated[column(sensor, "present")] == here == bool(store.present(sensor)[i])
                values, flags = store.read(sensor, i)
                if here:
                    np.testing.assert_array_equal(store.read_stored(sensor, i), stored)
                    np.testing.assert_array_equal(flags, mask)
                    expected = np.where(stored == layout.nodata, np.nan, stored * layout.scale + layout.offset)
                    np.testing.assert_allclose(values, expected.astype(np.float32), rtol=1e-6)
                else:
                    assert np.isnan(values).all()
                    assert (flags == Mask.NODATA).all()
        assert list(store.verify()) == []


def _zarr_chunks(part: Path, sensor: str) -> int:
    """Return how many inner chunks of a sensor's pixels lie on disk, read from the shards' own indexes."""
    stated = json.loads((part / "pixels.zarr" / sensor / "pixels" / "zarr.json").read_text())
    shard = stated["chunk_grid"]["configuration"]["chunk_shape"][0]
    found = 0
    for file in (part / "pixels.zarr" / sensor / "pixels" / "c").rglob("*"):
        if file.is_file():
            index = np.frombuffer(file.read_bytes()[-(16 * shard + 4) : -4], dtype="<u8").reshape(-1, 2)
            found += int((index[:, 0] != 2**64 - 1).sum())
    return found


def test_an_absent_sensor_writes_no_chunk(tmp_path: Path) -> None:
    pixels, masks, rows = make_chips(np.random.default_rng(1), 12, 16, absent=0.5)
    write_part(tmp_path / "part", pixels, masks, rows, 16)
    for sensor in SENSORS:
        present = sum(row[column(sensor, "present")] for row in rows)
        assert 0 < present < 12
        assert _zarr_chunks(tmp_path / "part", sensor) == present
    pixels, masks, rows = make_chips(np.random.default_rng(1), 3, 16, absent=1.0)
    write_part(tmp_path / "nothing", pixels, masks, rows, 16)
    assert all(_zarr_chunks(tmp_path / "nothing", sensor) == 0 for sensor in SENSORS)


def test_a_sensor_left_out_of_a_write_is_absent(tmp_path: Path) -> None:
    pixels, masks, rows = make_chips(np.random.default_rng(1), 3, 8, absent=0.0)
    for sensor in SENSORS[1:]:
        del pixels[sensor], masks[sensor]
    make_store(tmp_path, 8, [(pixels, masks, rows)])
    store = ChipStore.open(str(tmp_path))
    assert store.present(SENSORS[0]).all()
    assert not store.present(SENSORS[1]).any()
    assert list(store.verify()) == []


def test_statistics_are_those_of_the_usable_training_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    parts = [make_chips(rng, 7, 12, first=first) for first in (0, 7)]
    make_store(tmp_path, 12, parts)
    store = ChipStore.open(str(tmp_path))
    assert "land-cover" not in store.statistics, "the mean of class codes means nothing"
    for sensor in SENSORS[:3]:
        layout = store.sensors[sensor]
        for number, band in enumerate(layout.bands):
            values = np.concatenate(
                [
                    pixels[sensor][i, number][(masks[sensor][i] & UNUSABLE) == 0]
                    for pixels, masks, rows in parts
                    for i, row in enumerate(rows)
                    if row["split"] == "train" and row[column(sensor, "present")]
                ]
            ).astype(np.float64)
            stated = store.statistics[sensor][band]
            assert stated.count == len(values) > 0
            assert stated.mean == pytest.approx(values.mean() * layout.scale + layout.offset, rel=1e-12)
            assert stated.std == pytest.approx(values.std() * layout.scale, rel=1e-12)


def test_statistics_do_not_cancel(tmp_path: Path) -> None:
    """A tiny spread on a large mean: the textbook formula in float32 would give nonsense here."""
    pixels, masks, rows = make_chips(np.random.default_rng(5), 4, 64, absent=0.0, split="train")
    for sensor in SENSORS:
        pixels[sensor][:] = 32000
        pixels[sensor][:, :, ::2] = 32001
        masks[sensor][:] = 0
    document = make_store(tmp_path, 64, [(pixels, masks, rows)])
    assert document.statistics["cop-dem-glo-30"]["dem"] == BandStatistics(mean=16000.25, std=0.25, count=4 * 64 * 64)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 10), max_size=3))
def test_content_and_statistics_do_not_depend_on_the_grouping(seed: int, cuts: list[int]) -> None:
    pixels, masks, rows = make_chips(np.random.default_rng(seed), 10, 8)
    edges = [0, *sorted(cuts), 10]
    with tempfile.TemporaryDirectory() as folder:
        whole = make_store(Path(folder) / "one", 8, [(pixels, masks, rows)])
        pieces = [
            (
                {sensor: pixels[sensor][a:b] for sensor in SENSORS},
                {sensor: masks[sensor][a:b] for sensor in SENSORS},
                rows[a:b],
            )
            for a, b in reversed(list(itertools.pairwise(edges)))
        ]
        cut = make_store(Path(folder) / "many", 8, pieces)
    assert cut.content_digest == whole.content_digest
    assert cut.statistics == whole.statistics
    assert cut.chips == whole.chips == 10


def test_one_pixel_or_one_flag_changes_the_content(tmp_path: Path) -> None:
    pixels, masks, rows = make_chips(np.random.default_rng(2), 3, 8, absent=0.0)
    digests = {make_store(tmp_path / "a", 8, [(pixels, masks, rows)]).content_digest}
    pixels["cop-dem-glo-30"][1, 0, 3, 3] += 1
    digests.add(make_store(tmp_path / "b", 8, [(pixels, masks, rows)]).content_digest)
    masks["cop-dem-glo-30"][1, 3, 3] ^= Mask.WATER
    digests.add(make_store(tmp_path / "c", 8, [(pixels, masks, rows)]).content_digest)
    rows[0]["land_cover"] = 50
    digests.add(make_store(tmp_path / "d", 8, [(pixels, masks, rows)]).content_digest)
    rows[0][column("sentinel-2-l2a", "hrefs")] = ["https://example.com/B02.tif"]
    digests.add(make_store(tmp_path / "e", 8, [(pixels, masks, rows)]).content_digest)
    assert len(digests) == 4, "each change but that of a link is a change of content"


def test_merge_names_parts_of_stores_beside_it_and_can_be_moved(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    parts = [make_chips(rng, 4, 8, first=first) for first in (0, 4, 8)]
    run = tmp_path / "run"
    stores = []
    for number, part in enumerate(parts):
        make_store(run / f"build-{number}", 8, [part])
        stores.append(str(run / f"build-{number}"))
    whole = make_store(tmp_path / "whole", 8, parts)
    merged = merge_documents(stores, str(run / "merged"))
    (run / "merged").mkdir()
    merged.write(str(run / "merged"))
    for field in ("content_digest", "statistics", "chips"):
        assert getattr(merged, field) == getattr(whole, field)
    run.rename(tmp_path / "elsewhere")
    store = ChipStore.open(str(tmp_path / "elsewhere" / "merged"))
    assert list(store.verify()) == []
    reference = ChipStore.open(str(tmp_path / "whole"))
    assert store.index.equals(reference.index)
    np.testing.assert_array_equal(store.read_mask(SENSORS[0], 11), reference.read_mask(SENSORS[0], 11))


def test_stores_that_differ_do_not_merge(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    make_store(tmp_path / "a", 8, [make_chips(rng, 2, 8)])
    make_store(tmp_path / "b", 9, [make_chips(rng, 2, 9)])
    with pytest.raises(EarthenwareError, match="differ in 'chip_size'") as raised:
        merge_documents([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "m"))
    assert raised.value.code == "STORES_DIFFER"
    with pytest.raises(EarthenwareError, match="named twice"):
        merge_documents([str(tmp_path / "a"), str(tmp_path / "a")], str(tmp_path / "m"))


def test_pickled_store_is_small_and_reads_the_same(tmp_path: Path) -> None:
    make_store(tmp_path, 32, [make_chips(np.random.default_rng(7), 50, 32)])
    store = ChipStore.open(str(tmp_path))
    expected = store.read("sentinel-1-rtc", 3)
    data = pickle.dumps(store)
    assert len(data) < 16_000
    again = pickle.loads(data)
    for a, b in zip(again.read("sentinel-1-rtc", 3), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.index.equals(store.index)


def test_everyone_can_read_a_part(tmp_path: Path) -> None:
    """Without this package: xarray applies scale and nodata, Parquet readers find GeoParquet."""
    pixels, masks, rows = make_chips(np.random.default_rng(7), 5, 16, absent=0.0)
    make_store(tmp_path, 16, [(pixels, masks, rows)])
    part = tmp_path / "parts" / "000" / "attempt"
    group = xr.open_zarr(part / "pixels.zarr" / "sentinel-1-rtc", consolidated=False)
    assert group["pixels"].dims == ("chip", "band", "y", "x")
    stored = pixels["sentinel-1-rtc"]
    expected = np.where(stored == -32768, np.nan, stored * 0.01)
    np.testing.assert_allclose(group["pixels"].values, expected, rtol=1e-5)
    assert group["mask"].attrs["flag_meanings"] == "nodata cloud shadow snow water saturated"
    np.testing.assert_array_equal(group["mask"].values, masks["sentinel-1-rtc"])
    assert group["pixels"].attrs["bands"] == list(SensorLayout.of("sentinel-1-rtc").bands)
    table = pq.read_table(part / "chips.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"][geo["primary_column"]]["encoding"] == "WKB"
    shapes = shapely.from_wkb(table["geometry"].to_pylist())
    np.testing.assert_allclose(geo["columns"]["geometry"]["bbox"], shapely.total_bounds(shapes))


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_chips_in_memory_are_written_in_one_call(tmp_path: Path, parts: int) -> None:
    pixels, masks, rows = make_chips(np.random.default_rng(8), 7, 8)
    whole = make_store(tmp_path / "whole", 8, [(pixels, masks, rows)])
    document = write_chips(str(tmp_path / "store"), pixels, masks, rows, gsd=10.0, sensors=SENSORS, parts=parts)
    store = ChipStore.open(str(tmp_path / "store"))
    assert store.document == document
    assert len(document.parts) == min(parts, 7)
    assert (document.content_digest, document.statistics) == (whole.content_digest, whole.statistics)
    assert list(store.verify()) == []


def test_a_store_without_chips_can_be_written(tmp_path: Path) -> None:
    pixels, masks, _ = make_chips(np.random.default_rng(8), 0, 8)
    write_chips(str(tmp_path), pixels, masks, [], gsd=10.0)
    store = ChipStore.open(str(tmp_path))
    assert (len(store), list(store.sensors), store.document.parts) == (0, list(SENSORS), ())
    assert store.read_batch(SENSORS, [])[SENSORS[0]].pixels.shape == (0, 10, 8, 8)


def test_the_document_on_disk_keeps_the_order_of_sensors(tmp_path: Path) -> None:
    make_store(tmp_path, 8, [make_chips(np.random.default_rng(1), 2, 8)])
    found = json.loads((tmp_path / "store.json").read_text())
    assert {sensor: layout["position"] for sensor, layout in found["sensors"].items()} == {
        sensor: position for position, sensor in enumerate(SENSORS)
    }
    assert list(found["sensors"]) != list(SENSORS), "JSON writers sort keys"
    assert list(ChipStore.open(str(tmp_path)).sensors) == list(SENSORS)
    assert ChipStore.open(str(tmp_path)).document.to_json() == found


def test_a_chip_number_out_of_range_is_an_index_error(tmp_path: Path) -> None:
    make_store(tmp_path, 8, [make_chips(np.random.default_rng(1), 2, 8)])
    store = ChipStore.open(str(tmp_path))
    with pytest.raises(IndexError):
        store.read("sentinel-2-l2a", 2)
    with pytest.raises(EarthenwareError, match="has no sensor 'landsat'"):
        store.read("landsat", 0)


@pytest.mark.parametrize("change", ["dtype", "size", "mask", "sensor", "many", "column"])
def test_the_writer_refuses_what_does_not_fit(tmp_path: Path, change: str) -> None:
    pixels, masks, rows = make_chips(np.random.default_rng(1), 2, 8)
    expected = 2
    if change == "dtype":
        pixels["sentinel-1-rtc"] = pixels["sentinel-1-rtc"].astype(np.float32)
    elif change == "size":
        pixels["sentinel-1-rtc"] = pixels["sentinel-1-rtc"][:, :, :7]
    elif change == "mask":
        masks["sentinel-1-rtc"] = masks["sentinel-1-rtc"][:1]
    elif change == "sensor":
        pixels["landsat"], masks["landsat"] = pixels["sentinel-1-rtc"], masks["sentinel-1-rtc"]
    elif change == "many":
        expected = 1
    else:
        rows[0]["colour"] = "red"
    with (
        pytest.raises((ValueError, EarthenwareError)),
        ChipWriter(tmp_path / "p", chip_size=8, gsd=10.0, sensors=SENSORS, expected=expected) as writer,
    ):
        writer.write(pixels, masks, rows)
    assert not (tmp_path / "p" / "chips.parquet").exists()
