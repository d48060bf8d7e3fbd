"""A chip store on S3 reads as one on disk does."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from earthenware import storage
from earthenware.chips import ChipStore, merge_documents
from earthenware.errors import EarthenwareError
from tests.chips._chips import SENSORS, make_chips, make_store


def test_read_merge_and_damage(bucket: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for name, first in (("one", 0), ("two", 6)):
        make_store(tmp_path / name, 16, [make_chips(rng, 6, 16, first=first)])
        storage.upload_tree(tmp_path / name, f"{bucket}/run/{name}")
    merged = merge_documents([f"{bucket}/run/one", f"{bucket}/run/two"], f"{bucket}/run/all")
    assert [part.path for part in merged.parts] == ["../one/parts/000/attempt", "../two/parts/000/attempt"]
    merged.write(f"{bucket}/run/all")
    remote = pickle.loads(pickle.dumps(ChipStore.open(f"{bucket}/run/all")))
    local = [ChipStore.open(str(tmp_path / name)) for name in ("one", "two")]
    assert remote.index["chip_id"].to_pylist() == [i for store in local for i in store.index["chip_id"].to_pylist()]
    for sensor in SENSORS:
        for i in range(12):
            for found, expected in zip(remote.read(sensor, i), local[i // 6].read(sensor, i % 6), strict=True):
                np.testing.assert_array_equal(found, expected)
    assert list(remote.verify()) == []

    array = "run/two/parts/000/attempt/pixels.zarr/sentinel-2-l2a/pixels"
    shard = f"{bucket}/{array}/{next(f for f in storage.list_files(f'{bucket}/{array}') if f.startswith('c/'))}"
    storage.write_bytes(shard, storage.read_bytes(shard)[:-9])
    damaged = ChipStore.open(f"{bucket}/run/all")
    present = [i for i in range(6, 12) if damaged.present("sentinel-2-l2a")[i]]
    with pytest.raises(EarthenwareError, match="run/two/parts/000/attempt' is damaged"):
        damaged.read("sentinel-2-l2a", present[0])


def test_a_batch_is_one_round_of_requests(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes come once; near chunks come together; requests for different shards wait for each other side by side."""
    rng = np.random.default_rng(4)
    make_store(tmp_path / "s", 16, [make_chips(rng, 8, 16, first=first, absent=0.0) for first in (0, 8)])
    storage.upload_tree(tmp_path / "s", f"{bucket}/s")
    expected = ChipStore.open(str(tmp_path / "s")).read_batch(SENSORS, range(16))
    store = ChipStore.open(f"{bucket}/s")
    chips = [15, 2, 9, 2, 0, 12]
    store.read_batch(SENSORS, chips)

    shards = 2 * 2 * len(SENSORS)  # parts, arrays
    together = threading.Barrier(shards, timeout=30)
    asked: list[int] = []

    def read_ranges(uri: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        together.wait()
        asked.append(len(ranges))
        return original(uri, ranges)

    def never(*arguments: object) -> bytes:
        raise AssertionError(f"read again: {arguments}")

    original = storage.read_ranges
    monkeypatch.setattr(storage, "read_ranges", read_ranges)
    monkeypatch.setattr(storage, "read_tail", never)
    monkeypatch.setattr(storage, "read_bytes", never)
    found = store.read_batch(SENSORS, chips)
    assert len(asked) == shards
    assert sum(asked) == len(chips) * 2 * len(SENSORS)
    for sensor in SENSORS:
        np.testing.assert_array_equal(found[sensor].pixels, expected[sensor].pixels[chips])
        np.testing.assert_array_equal(found[sensor].mask, expected[sensor].mask[chips])


def test_an_empty_shard_is_damage_and_a_silent_server_is_not(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "s", 16, [make_chips(np.random.default_rng(4), 4, 16, absent=0.0)])
    storage.upload_tree(tmp_path / "s", f"{bucket}/s")
    array = f"{bucket}/s/parts/000/attempt/pixels.zarr/sentinel-1-rtc/mask"
    storage.write_bytes(f"{array}/c/0/0/0", b"")
    store = ChipStore.open(f"{bucket}/s")
    broken: dict[int, EarthenwareError] = {}
    store.read_batch(SENSORS, range(4), damaged=broken.__setitem__)
    assert sorted(broken) == [0, 1, 2, 3]
    assert "sentinel-1-rtc/mask" in broken[0].message
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.1")
    with pytest.raises(EarthenwareError, match="connection refused") as raised:
        store.read_batch(["sentinel-2-l2a"], [0], damaged=broken.__setitem__)
    assert raised.value.code == "STORAGE_FAILED"


def test_nothing_there(bucket: str) -> None:
    with pytest.raises(EarthenwareError, match=r"store\.json is missing"):
        ChipStore.open(f"{bucket}/nothing")
