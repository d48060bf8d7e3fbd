"""``earthenware run --runner docker``: the same pipeline, the same numbers, and an end to every container."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.images.daemon import docker
from tests.pipelines.runs import SMALL, command, earthenware
from tests.small_run import Run

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

SECRET = "kept-out-of-sight"


@dataclass(frozen=True)
class Runs:
    """The same spec run in child processes and in containers."""

    spec: Path
    processes: Path
    containers: Path
    image: str

    def in_containers(self, *settings: str) -> list[str]:
        given = [part for value in (f"root={self.containers}", *SMALL, *settings) for part in ("--set", value)]
        return ["run", "pretrain", "--spec", str(self.spec), *given, "--runner", "docker", "--image", self.image]


@pytest.fixture(scope="module")
def runs(image: str, finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    assert finished.done.returncode == 0, finished.done.stderr
    both = Runs(finished.spec, finished.root, tmp_path_factory.mktemp("runners") / "containers", image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        done = earthenware(*both.in_containers())
    assert done.returncode == 0, done.stderr
    return both


def embeddings(root: Path) -> tuple[list[str], np.ndarray]:
    (file,) = (root / "embed").glob("*/embeddings.parquet")
    table = pq.read_table(file, columns=["id", "embedding"])
    return table["id"].to_pylist(), np.stack(table["embedding"].to_numpy(zero_copy_only=False))


def test_containers_give_the_same_embeddings_as_processes(runs: Runs) -> None:
    ids, vectors = embeddings(runs.processes)
    other_ids, other_vectors = embeddings(runs.containers)
    assert ids == other_ids
    assert len(ids) > 100
    assert np.abs(vectors).max() > 0.1
    # Bit for bit on one machine; the tolerance is for libraries that choose their arithmetic by the processor.
    assert np.allclose(vectors, other_vectors, rtol=0, atol=1e-5)


def test_what_the_steps_wrote_is_not_roots(runs: Runs) -> None:
    owners = {path.stat().st_uid for path in (runs.containers / "embed").rglob("*")}
    assert owners == {os.getuid() or 10001}


def test_no_container_volume_or_secret_is_left(runs: Runs) -> None:
    assert containers() == []
    assert docker("volume", "ls", "--quiet", "--filter", "dangling=true").stdout == ""
    for path in (runs.containers / "runs").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def containers() -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", "label=earthenware.run").stdout.split()


@contextlib.contextmanager
def training(runs: Runs) -> Iterator[subprocess.Popen[str]]:
    """Yield a run whose container is in the middle of a training that would take an hour."""
    process = subprocess.Popen(
        command(*runs.in_containers("train.epochs=5000")), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert any(line.startswith("train: ") for line in process.stdout), process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.wait()
        deadline = time.monotonic() + 60
        while containers() and time.monotonic() < deadline:
            time.sleep(0.2)


def leases(runs: Runs) -> list[Path]:
    return list((runs.containers / "train").glob("*/lease.json"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_takes_its_container_with_it(runs: Runs, number: signal.Signals) -> None:
    with training(runs) as process:
        (name,) = containers()
        settings = json.loads(docker("inspect", name).stdout)[0]
        assert settings["HostConfig"]["ReadonlyRootfs"]
        assert settings["HostConfig"]["CapDrop"] == ["ALL"]
        assert settings["Config"]["User"].partition(":")[0] == str(os.getuid() or 10001)
        assert leases(runs)
        began = time.monotonic()
        process.send_signal(number)
        while leases(runs) and time.monotonic() < began + 10:
            time.sleep(0.1)
        assert leases(runs) == [], "the step gave its lease back within ten seconds"
        expected = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}
        assert process.wait(timeout=60) == expected[number]
        deadline = began + 30  # ten seconds of grace by the daemon, and a loaded machine's time to remove it
        while containers() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert containers() == []


def test_a_failing_step_fails_the_run_with_its_own_sentence(runs: Runs) -> None:
    done = earthenware(*runs.in_containers("validate.min_chips_train=100000"))
    assert done.returncode == 4, done.stdout + done.stderr
    assert "VALIDATION_FAILED" in done.stderr
    assert "train: " not in done.stdout
