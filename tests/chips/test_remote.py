"""A chip store on S3 reads as one on disk does."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from earthenware import storage
from earthenware.chips import ChipStore, merge_documents
from earthenware.errors import EarthenwareError
from tests.chips._chips import SENSORS, make_chips, make_store


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "tester-secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import minio

    minio.Minio(f"{host}:{port}", "tester", "tester-secret", secure=False).make_bucket("earth")
    yield "s3://earth"
    server.stop()


def test_read_merge_and_damage(bucket: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for name, first in (("one", 0), ("two", 6)):
        make_store(tmp_path / name, 16, [make_chips(rng, 6, 16, first=first)])
        storage.upload_tree(tmp_path / name, f"{bucket}/run/{name}")
    merged = merge_documents([f"{bucket}/run/one", f"{bucket}/run/two"], f"{bucket}/run/all")
    assert [part["path"] for part in merged["parts"]] == ["../one/parts/000/attempt", "../two/parts/000/attempt"]
    storage.write_json(f"{bucket}/run/all/store.json", merged)
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


def test_nothing_there(bucket: str) -> None:
    with pytest.raises(EarthenwareError, match=r"store\.json is missing"):
        ChipStore.open(f"{bucket}/nothing")
