"""Steps in child processes: a run that is told to end does so at once, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.pipelines.runs import command, wait_until_none_about


def holder(root: Path) -> int | None:
    """Return the process that holds the lease of the query."""
    for lease in root.glob("query/*/lease.json"):
        return int(json.loads(lease.read_text())["pid"])
    return None


@pytest.fixture
def catalog() -> Iterator[str]:
    """Address of a catalog that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def run_that_waits(catalog: str, root: Path, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a run whose first step holds its lease and waits ten minutes for the catalog."""
    settings = {"root": root, "query.catalog": catalog, "query.bbox": "5,49,6,50", "query.datetime": "2022"}
    (root.parent / "spec.yaml").write_text("{}")
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    process = subprocess.Popen(
        command("run", "pretrain", "--spec", str(root.parent / "spec.yaml"), *given),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "TMPDIR": str(temporary),
            "EW_TEST_RUN": str(root),
            "EARTHENWARE_LEASE_SECONDS": "3600",  # nobody here waits until a lease has run out
        },
    )
    try:
        deadline = time.monotonic() + 240
        run = psutil.Process(process.pid)
        while (
            holder(root) not in {child.pid for child in run.children(recursive=True)}
            or len(list(temporary.iterdir())) < 2
        ):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline, "the step never took its lease"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.system
def test_a_run_that_is_killed_or_told_to_end_leaves_nothing(catalog: str, tmp_path: Path) -> None:
    """The temporary folders of the killed run go with the next; that one cleans up after itself."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with run_that_waits(catalog, tmp_path / "killed", temporary) as process:
        process.kill()
    assert wait_until_none_about(str(tmp_path / "killed"), 60) == []
    left = set(temporary.iterdir())
    assert len(left) == 2, "those of the run and of its step, which nobody could remove"
    with run_that_waits(catalog, tmp_path / "ended", temporary) as process:
        assert not left & set(temporary.iterdir())
        began = time.monotonic()
        process.terminate()
        _, said = process.communicate(timeout=60)
        seconds = time.monotonic() - began
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert wait_until_none_about(str(tmp_path / "ended"), 1) == [], f"after {seconds:.1f} s"
    assert list((tmp_path / "ended").glob("query/*/lease.json")) == []
    assert list((tmp_path / "ended").glob("query/*/error.json"))
    assert list(temporary.iterdir()) == []


@pytest.mark.system
def test_ctrl_c_ends_a_run_and_gives_back_the_lease(catalog: str, tmp_path: Path) -> None:
    """As a terminal sends it, to the command and to its step."""
    (tmp_path / "temporary").mkdir()
    with run_that_waits(catalog, tmp_path / "root", tmp_path / "temporary") as process:
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip() == "Interrupted. Run the same command again to resume."
    assert wait_until_none_about(str(tmp_path / "root"), 1) == []
    assert list((tmp_path / "root").glob("query/*/lease.json")) == []


@pytest.mark.system
def test_a_step_that_does_not_hear_is_killed_and_the_next_run_takes_its_lease(catalog: str, tmp_path: Path) -> None:
    root, temporary = tmp_path / "root", tmp_path / "temporary"
    temporary.mkdir()
    with run_that_waits(catalog, root, temporary) as process:
        step = holder(root)
        assert step is not None
        os.kill(step, signal.SIGSTOP)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert wait_until_none_about(str(root), 1) == []
    assert holder(root) == step
    with run_that_waits(catalog, root, temporary) as process:
        assert holder(root) != step
        process.terminate()
        process.communicate(timeout=60)
    assert holder(root) is None
    assert list(temporary.iterdir()) == []
