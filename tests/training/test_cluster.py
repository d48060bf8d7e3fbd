"""Training on a Ray cluster that is there already: it is used, told clearly what failed, and left as it was."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from earthenware.errors import EarthenwareError
from earthenware.training import TrainSpec, train

from ._chipstore import build_store

pytestmark = pytest.mark.system

SPEC = TrainSpec(epochs=2, batch_size=16, patch_size=4, workers=2, device="cpu", tracking_uri="off")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head node with two CPUs, started as an operator would; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="ew-head-", dir="/tmp")  # short, for the sockets
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "EW_TEST_MARK": folder}
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--node-ip-address=127.0.0.1",
        f"--port={port}", "--num-cpus=2", "--include-dashboard=false", f"--temp-dir={folder}",
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("cluster") / "ray.log"
    with log.open("w") as file:
        head = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    deadline = time.monotonic() + 120
    while "Ray runtime started" not in log.read_text():
        assert head.poll() is None and time.monotonic() < deadline, log.read_text()  # noqa: PT018
        time.sleep(0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield head
    for process in psutil.process_iter():
        try:
            if process.environ().get("EW_TEST_MARK") == folder:
                process.kill()
        except psutil.Error:
            continue
    head.wait(30)


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> str:
    return build_store(tmp_path_factory.mktemp("cluster-chips") / "chips", count=96, size=16).output


def test_an_existing_cluster_is_used_and_survives(cluster, chips, tmp_path):
    report = train(SPEC, chips, str(tmp_path / "out"))
    assert report.manifest.counts["steps"] == 10
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
        train(SPEC.model_copy(update={"device": "gpu"}), chips, str(tmp_path / "out"))
    assert caught.value.code == "NO_GPU"
