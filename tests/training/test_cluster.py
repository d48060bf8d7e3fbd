"""Training on a Ray cluster that is there already: it is used, told clearly what failed, and left as it was."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.training import TrainSpec, _launch, train
from tests.launch.ray_head import ray_head

from ._chipstore import build_store

pytestmark = pytest.mark.system

SPEC = TrainSpec(epochs=2, batch_size=16, patch_size=4, workers=2, device="cpu", tracking_uri="off")


@pytest.fixture(scope="module")
def cluster(s3_service, tmp_path_factory):
    """A head node, whose workers find the object store's address in their environment; yields its process."""
    with ray_head(tmp_path_factory.mktemp("cluster")) as (address, head), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", address)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield head


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> str:
    return build_store(tmp_path_factory.mktemp("cluster-chips") / "chips", count=96, size=16).output


def test_an_existing_cluster_is_used_and_survives(cluster, chips, tmp_path):
    report = train(SPEC, chips, str(tmp_path / "out"))
    assert report.manifest.counts["steps"] == 10
    assert cluster.poll() is None


def test_nodes_meet_in_the_object_store_and_nothing_of_ray_stays_there(cluster, bucket, chips, monkeypatch):
    """Ray Train's own files must be where every node reaches them; a path of the driver's machine is not."""
    remote, output = f"{bucket}/chips", f"{bucket}/run/train"
    storage.upload_tree(Path(chips), remote)
    met: set[str] = set()
    real = _launch.ray_storage

    @contextlib.contextmanager
    def watch(output, *rest):
        with real(output, *rest) as where:
            yield where
            met.update(storage.list_files(f"{output}/ray"))

    monkeypatch.setattr(_launch, "ray_storage", watch)
    report = train(SPEC, remote, output)
    assert report.manifest.counts["steps"] == 10
    assert any("/train/" in path for path in met)
    assert storage.is_empty(f"{output}/ray")
    assert cluster.poll() is None


def test_what_a_worker_found_is_the_error_and_is_not_tried_again(cluster, chips, tmp_path):
    wild = SPEC.model_copy(update={"learning_rate": 1e30, "clip": 0.0})
    began = time.monotonic()
    with pytest.raises(EarthenwareError, match="The loss is no finite number at step") as caught:
        train(wild, chips, str(tmp_path / "out"))
    assert caught.value.code == "LOSS_NOT_FINITE"
    assert time.monotonic() - began < 120
    assert cluster.poll() is None


def test_gpus_that_are_not_there(cluster, chips, tmp_path):
    with pytest.raises(EarthenwareError, match="0 GPUs for 2 workers") as caught:
        train(SPEC.model_copy(update={"device": "cuda"}), chips, str(tmp_path / "out"))
    assert caught.value.code == "NO_GPU"
