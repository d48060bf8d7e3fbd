"""Runs that are killed: the driver, a worker, or by Ctrl-C. Each ends without a process and resumes exactly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from earthenware.training._checkpoint import SafetensorsCheckpoints, latest_checkpoint

from ._chipstore import build_store

pytestmark = pytest.mark.system

PROGRAM = """
import sys
from earthenware.processes import step_process
from earthenware.training import TrainSpec, train
if __name__ == "__main__":
    with step_process():
        spec = TrainSpec(epochs=12, batch_size=16, patch_size=4, workers=2, device="cpu", tracking_uri="off")
        print(train(spec, sys.argv[1], sys.argv[2]).manifest.digest)
"""


class Driver:
    """A training step in a process of its own."""

    def __init__(self, chips: str, output: Path, mark: str) -> None:
        self.output, self.mark = output, mark
        environment = {**os.environ, "EW_TEST_MARK": mark, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, chips, str(output)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def wait_for_step(self, step: int) -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            latest = latest_checkpoint(str(self.output / "checkpoints"))
            if latest and latest[0] >= step:
                return
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.02)
        raise TimeoutError(f"no checkpoint at step {step}")

    def family(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("EW_TEST_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def assert_gone(self) -> None:
        deadline = time.monotonic() + 30
        while self.family() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [process.cmdline() for process in self.family()] == []

    def finish(self) -> str:
        out, error = self.process.communicate(timeout=400)
        assert self.process.returncode == 0, error
        self.assert_gone()
        return out.strip().splitlines()[-1]


def weights(output: Path) -> dict[str, torch.Tensor]:
    step, uri = latest_checkpoint(str(output / "checkpoints"))
    assert step == 12 * 5
    return SafetensorsCheckpoints().load_checkpoint(uri)["state_dict"]


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> str:
    return build_store(tmp_path_factory.mktemp("kill") / "chips", count=96, size=16).output


@pytest.fixture(scope="module")
def undisturbed(chips, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "train"
    digest = Driver(chips, output, "undisturbed").finish()
    return digest, weights(output)


@pytest.mark.timeout(1800)
def test_stopped_three_times_and_robbed_of_a_worker_it_ends_like_one_undisturbed(chips, tmp_path, undisturbed):
    """The driver is stopped in three ways, each time later, and leaves nothing; then a worker dies and is replaced."""
    output = tmp_path / "train"
    for how, step in ((signal.SIGKILL, 10), (signal.SIGTERM, 20), (signal.SIGINT, 30)):
        (output / "error.json").unlink(missing_ok=True)
        driver = Driver(chips, output, f"{tmp_path}")
        driver.wait_for_step(step)
        driver.process.send_signal(how)
        driver.process.communicate(timeout=60)
        assert driver.process.returncode != 0, how
        driver.assert_gone()
        assert not (output / "manifest.json").exists(), how
        if how != signal.SIGKILL:
            assert json.loads((output / "error.json").read_text())["code"] == "INTERRUPTED", how
        assert step <= latest_checkpoint(str(output / "checkpoints"))[0] < 60, how
    driver = Driver(chips, output, f"{tmp_path}")
    driver.wait_for_step(latest_checkpoint(str(output / "checkpoints"))[0] + 5)
    workers = [process for process in driver.family() if "RayTrainWorker" in " ".join(process.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    assert driver.finish() == undisturbed[0]
    found = weights(output)
    assert all(torch.equal(found[name], undisturbed[1][name]) for name in found)
