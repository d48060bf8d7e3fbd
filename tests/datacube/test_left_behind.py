"""What a build leaves behind when it is killed, and what it says when it fails at work: no semaphore, and one error."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.datacube._earth import S2, Earth


@pytest.fixture
def earth(tmp_path: Path) -> Iterator[Earth]:
    """Three scenes, of which the last has a file at a server that never answers."""
    earth = Earth(tmp_path / "earth", height=64, width=64)
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in ("one", "two", "held"):
            scene = earth.add(name, clouds="none")
        item = earth.item(scene, S2)
        item["assets"]["B02"]["href"] = f"http://127.0.0.1:{server.getsockname()[1]}/B02.tif"
        earth.set_item(scene, S2, item)
        yield earth


def _command(earth: Earth, output: Path, *settings: str) -> list[str]:
    command = [sys.executable, "-m", "earthenware", "build", "--scenes", earth.table(), "--output", str(output)]
    common = ("chip_size=32", "part_chips=1", "workers=2", "timeout=3600")
    return [*command, *(part for one in (*common, *settings) for part in ("--set", one))]


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_killed_build_leaves_no_semaphore(earth: Earth, tmp_path: Path, kill: Callable[[int, int], None]) -> None:
    output = tmp_path / "out"
    process = subprocess.Popen(_command(earth, output), stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list(output.glob("parts/*.json"))) < 2:
        time.sleep(0.01)
    maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    semaphores = {int(line.split()[4]) for line in maps if "/dev/shm/sem." in line}
    kill(process.pid, signal.SIGKILL)
    process.wait()
    assert semaphores
    deadline = time.monotonic() + 60
    while semaphores & {entry.inode() for entry in os.scandir("/dev/shm")}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_build_that_fails_while_its_workers_work_says_so_and_nothing_else(earth: Earth, tmp_path: Path) -> None:
    (tmp_path / "earth" / "one" / "B02.tif").write_bytes(b"no image")
    done = subprocess.run(
        _command(earth, tmp_path / "out", "reject_limit=0"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "EARTHENWARE_EVENTS": str(tmp_path / "events")},
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 3, done.stderr
    assert lines[0].startswith("Error [TOO_MANY_REJECTS]")
    assert len(lines) == 2, done.stderr
