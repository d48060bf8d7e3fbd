"""Where Ray Train keeps its bookkeeping."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from minio import Minio

from earthenware import storage
from earthenware.launch import ray_storage


@pytest.fixture
def output(s3: str) -> str:
    storage.ensure_bucket("s3://ray-storage")
    return "s3://ray-storage/train/1"


def test_a_ray_of_this_machine_uses_this_machine(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for address in ("", "local"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with ray_storage(output, "attempt", tmp_path) as where:
            assert where == {"storage_path": str(tmp_path / "ray")}


def test_an_output_of_this_machine_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with ray_storage(str(tmp_path / "out"), "attempt", tmp_path) as where:
        assert where == {"storage_path": str(tmp_path / "ray")}


def test_a_cluster_uses_the_object_store_and_leaves_nothing(
    s3: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bucket = Minio(s3.removeprefix("http://"), "a", "b", secure=False)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    storage.write_bytes(f"{output}/ray/killed/file", b"stale")
    storage.write_bytes(f"{output}/checkpoints/1", b"kept")
    with ray_storage(output, "attempt", tmp_path) as where:
        assert storage.is_empty(f"{output}/ray")
        files, path = where["storage_filesystem"], where["storage_path"]
        assert path == "ray-storage/train/1/ray/attempt"
        files.create_dir(f"{path}/train")
        with files.open_output_stream(f"{path}/train/file") as file:
            file.write(b"ray")
        assert storage.read_bytes(f"{output}/ray/attempt/train/file") == b"ray"
        assert b"hunter2" not in pickle.dumps(files)  # it goes to every worker
    keys = [item.object_name for item in bucket.list_objects("ray-storage", recursive=True)]
    assert keys == ["train/1/checkpoints/1"]  # no empty object for a folder either
