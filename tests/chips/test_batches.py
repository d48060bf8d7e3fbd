"""Many chips at once are what Zarr reads of them one by one, in whatever shards, order and bands; damage is noticed."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.chips import ChipArrays, ChipStore, Mask
from earthenware.chips import _arrays as arrays
from earthenware.errors import EarthenwareError
from tests.chips._chips import SENSORS, make_chips, make_store

S2 = SENSORS[0]


def read_by_zarr(store: ChipStore, root: Path, sensor: str, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a chip with Zarr's own pipeline, finding it by its id in the parts' indexes."""
    import pyarrow.parquet as pq

    chip = store.index["chip_id"][i].as_py()
    for part in store.document.parts:
        ids = pq.read_table(root / part.path / "chips.parquet")["chip_id"].to_pylist()
        if chip in ids:
            group = zarr.open_group(root / part.path / "pixels.zarr" / sensor, mode="r")
            return np.asarray(group["pixels"][ids.index(chip)]), np.asarray(group["mask"][ids.index(chip)])
    raise AssertionError(chip)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_batch_is_what_zarr_reads(data: st.DataObject) -> None:
    chip_size = data.draw(st.integers(1, 24), "chip size")
    counts = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=3).filter(any), "parts")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    shard = data.draw(st.integers(1, 6), "chips per shard")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "SHARD_BYTES", shard * 10 * 2 * chip_size**2)
        root = Path(folder)
        firsts = np.cumsum([0, *counts])
        make_store(
            root, chip_size, [make_chips(rng, n, chip_size, first=int(f)) for n, f in zip(counts, firsts, strict=False)]
        )
        store = ChipStore.open(str(root))
        chips = data.draw(st.lists(st.integers(-len(store), len(store) - 1), max_size=12), "chips")
        sensors = data.draw(st.lists(st.sampled_from(SENSORS), unique=True), "sensors")
        some = data.draw(st.sets(st.sampled_from(sensors)) if sensors else st.just(set()), "sensors of some bands")
        bands = {s: data.draw(st.lists(st.sampled_from(store.sensors[s].bands), unique=True)) for s in sorted(some)}
        found = store.read_batch(sensors, chips, bands=bands)
        assert list(found) == sensors
        for sensor, (pixels, mask) in found.items():
            layout = store.sensors[sensor]
            numbers = [layout.bands.index(band) for band in bands.get(sensor, layout.bands)]
            assert pixels.shape == (len(chips), len(numbers), chip_size, chip_size)
            assert (pixels.dtype, mask.dtype) == (np.int16, np.uint8)
            for row, chip in enumerate(chips):
                expected, flags = read_by_zarr(store, root, sensor, chip)
                np.testing.assert_array_equal(pixels[row], expected[numbers])
                np.testing.assert_array_equal(mask[row], flags)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(arrays, "SHARD_BYTES", 3 * 10 * 2 * 16**2)
    rng = np.random.default_rng(11)
    make_store(tmp_path, 16, [make_chips(rng, 7, 16, first=first, absent=0.2) for first in (0, 7)])
    return tmp_path


def test_arrays_of_the_caller_are_filled(root: Path) -> None:
    store = ChipStore.open(str(root))
    whole = store.read_batch(SENSORS, range(14))
    pixels = np.full((28, 10, 16, 16), 7, np.int16)
    mask = np.full((28, 16, 16), 7, np.uint8)
    found = store.read_batch([S2], range(14), out={S2: ChipArrays(pixels[::2], mask[::2])})
    assert np.shares_memory(found[S2].pixels, pixels)
    np.testing.assert_array_equal(pixels[::2], whole[S2].pixels)
    np.testing.assert_array_equal(mask[::2], whole[S2].mask)
    assert (pixels[1::2] == 7).all()
    assert (mask[1::2] == 7).all()
    with pytest.raises(ValueError, match=S2):
        store.read_batch([S2], range(13), out={S2: ChipArrays(pixels[::2], mask[::2])})


def test_one_chip_is_a_batch_of_one(root: Path) -> None:
    store = ChipStore.open(str(root))
    whole = store.read_batch(SENSORS, range(14))
    for sensor in SENSORS:
        for i in range(14):
            values, flags = store.read(sensor, i)
            np.testing.assert_array_equal(store.read_stored(sensor, i), whole[sensor].pixels[i])
            np.testing.assert_array_equal(store.read_mask(sensor, i), whole[sensor].mask[i])
            np.testing.assert_array_equal(values, store.sensors[sensor].decode(whole[sensor].pixels[i]))
            np.testing.assert_array_equal(flags, whole[sensor].mask[i])


def test_threads_may_share_a_store(root: Path) -> None:
    expected = ChipStore.open(str(root)).read_batch(SENSORS, range(14))
    store = ChipStore.open(str(root))
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: store.read_batch(SENSORS, range(14)), range(40)):
            for sensor in SENSORS:
                np.testing.assert_array_equal(found[sensor].pixels, expected[sensor].pixels)
                np.testing.assert_array_equal(found[sensor].mask, expected[sensor].mask)


def test_what_is_not_there_is_said(root: Path) -> None:
    store = ChipStore.open(str(root))
    for index in (14, -15):
        with pytest.raises(IndexError, match=str(index)):
            store.read_batch(SENSORS, [0, index])
    with pytest.raises(EarthenwareError, match="has no sensor 'landsat'"):
        store.read_batch(["landsat"], [0])
    with pytest.raises(EarthenwareError, match=f"has no band 'B99' of '{S2}'") as raised:
        store.read_batch([S2], [0], bands={S2: ["B02", "B99"]})
    assert raised.value.code == "UNKNOWN_BAND"
    assert "B8A" in raised.value.remedy


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_of_a_shard_is_noticed(data: st.DataObject) -> None:
    """In a chunk, in the index, anywhere: the chip is refused by name, and no other chip changes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_store(root, 16, [make_chips(np.random.default_rng(3), 5, 16, absent=0.0)])
        whole = ChipStore.open(str(root)).read_batch(SENSORS, range(5))
        shards = sorted(path for path in root.rglob("pixels.zarr/*/*/c/**/*") if path.is_file())
        assert len(shards) == 8
        path = data.draw(st.sampled_from(shards), "shard")
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1), "bit")
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        store = ChipStore.open(str(root))
        errors: dict[int, EarthenwareError] = {}
        found = store.read_batch(SENSORS, range(5), damaged=errors.__setitem__)
        assert errors, "a flipped bit was not noticed"
        assert len(errors) == (5 if bit // 8 >= len(content) - (16 * 5 + 4) else 1)
        for chip, error in errors.items():
            assert error.code == "CHIPS_CORRUPT"
            array = path.relative_to(root / "parts/000/attempt/pixels.zarr").parts[:2]
            assert f"parts/000/attempt' is damaged: chip {chip} of {'/'.join(array)} " in error.message
        for chip in set(range(5)) - set(errors):
            for sensor in SENSORS:
                np.testing.assert_array_equal(found[sensor].pixels[chip], whole[sensor].pixels[chip])
        with pytest.raises(EarthenwareError, match="is damaged"):
            store.read_batch(SENSORS, range(5))
        assert len(list(store.verify())) == len(errors)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("codecs", 0, "configuration", "codecs", 1, "name"), "zstd", r"bytes \+ zstd \+ crc32c"),
        (("codecs", 0, "configuration", "codecs"), [{"name": "bytes"}], "its codecs are bytes, those of a chip store"),
        (("codecs", 0, "configuration", "index_codecs"), [{"name": "bytes"}], "its codecs are bytes"),
        (("codecs", 0, "configuration", "index_location"), "start", "not one of a chip store"),
        (("codecs", 0, "configuration", "chunk_shape"), [2, 10, 16, 16], "not one of a chip store"),
        (("codecs", 0, "name"), "bytes", "not one of a chip store"),
        (("codecs",), [], "not one of a chip store"),
        (("chunk_grid", "configuration", "chunk_shape"), [0, 10, 16, 16], "not one of a chip store"),
        (("chunk_key_encoding",), {"name": "v2"}, "not one of a chip store"),
        (("data_type",), "uint16", "not one of a chip store"),
        (("shape",), [6, 10, 16, 16], "not one of a chip store"),
        (("shape",), None, "not one of a chip store"),
    ],
)
def test_an_array_of_another_form_is_refused(
    root: Path, path: tuple[str | int, ...], value: object, words: str
) -> None:
    file = root / "parts/001/attempt/pixels.zarr" / S2 / "pixels/zarr.json"
    document = json.loads(file.read_text())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(document))
    store = ChipStore.open(str(root))
    present = [i for i in range(7, 14) if store.present(S2)[i]]
    with pytest.raises(EarthenwareError, match=words) as raised:
        store.read_batch([S2], present)
    assert raised.value.code == "CHIPS_CORRUPT"
    assert f"chip {present[0] - 7} of {S2}/pixels" in raised.value.message


@pytest.mark.parametrize("damage", ["missing", "text"])
def test_a_part_without_its_document_is_refused(root: Path, damage: str) -> None:
    file = root / "parts/001/attempt/pixels.zarr" / S2 / "mask/zarr.json"
    file.unlink() if damage == "missing" else file.write_text('{"shape": [')
    broken: dict[int, EarthenwareError] = {}
    store = ChipStore.open(str(root))
    store.read_batch(SENSORS, range(14), damaged=broken.__setitem__)
    assert sorted(broken) == [i for i in range(7, 14) if store.present(S2)[i]]
    assert all("its zarr.json is" in error.message for error in broken.values())


def test_a_shard_that_shrinks_while_the_store_is_open_is_noticed(root: Path) -> None:
    store = ChipStore.open(str(root))
    store.read_batch(SENSORS, range(14))
    for path in sorted((root / "parts/000/attempt/pixels.zarr" / S2 / "pixels/c").rglob("*")):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:100])
    broken: dict[int, EarthenwareError] = {}
    store.read_batch([S2], range(14), damaged=broken.__setitem__)
    assert sorted(broken) == [i for i in range(7) if store.present(S2)[i]]


def test_a_chip_that_is_said_to_be_present_must_be(root: Path) -> None:
    """A shard in which no chunk was written looks like one that lacks all its chips."""
    store = ChipStore.open(str(root))
    i = int(np.flatnonzero(~store.present(S2))[0])
    assert (store.read_mask(S2, i) == Mask.NODATA).all()
    store._presence[S2][i] = True
    with pytest.raises(EarthenwareError, match="cannot be read"):
        store.read_stored(S2, i)
