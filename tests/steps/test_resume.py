"""Killed at any point and run again, a step gives what an undisturbed run gives."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from earthenware import storage
from tests.soak.trials import trials

from .conftest import Start
from .step_program import PartsSpec, run

_POINTS = 2 + 3 * 6  # points of danger in an undisturbed run of six parts


def _digest(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split("digest ")[1].split()[0]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run(str(tmp_path_factory.mktemp("undisturbed") / "out")).manifest


def _kill_and_resume(output: str, start: Start, seed: int, undisturbed: Any) -> None:
    rng = random.Random(seed)
    committed: dict[str, Any] = {}
    for _ in range(2):
        process = start(output, f"kill_at={rng.randint(1, _POINTS)}", "guard=no")
        process.communicate(timeout=120)
        if process.returncode == 0:
            break  # what was left had fewer points of danger
        assert process.returncode == -signal.SIGKILL
        assert not storage.exists(storage.join(output, "manifest.json"))
        now = {
            path: storage.read_bytes(storage.join(output, path))
            for path in storage.list_files(output)
            if path.startswith("parts/") and path.endswith(".json")
        }
        assert committed.items() <= now.items(), "a part that counts stays as it is"
        committed = now
    report = run(output)
    manifest = report.manifest
    assert manifest.digest == undisturbed.digest
    assert (
        (manifest.counts, manifest.rejects) == (undisturbed.counts, undisturbed.rejects) == ({"parts": 6}, {"ODD": 3})
    )
    assert storage.read_table(storage.join(output, "rejects.parquet"))["record"].to_pylist() == [
        "record-1",
        "record-3",
        "record-5",
    ]
    assert storage.read_bytes(storage.join(output, "result.txt"))
    for path, record in committed.items():
        assert storage.read_bytes(storage.join(output, path)) == record
    assert not storage.exists(storage.join(output, "lease.json"))
    assert not storage.exists(storage.join(output, "error.json"))
    assert run(output).reused


@pytest.mark.parametrize(("output", "seed"), [("file", 0), ("s3", 1), ("file", 2)], indirect=["output"])
def test_kill_and_resume(output: str, start: Start, seed: int, undisturbed: Any) -> None:
    _kill_and_resume(output, start, seed, undisturbed)


@trials("kills at points of danger")
def test_kill_and_resume_again_and_again(output: str, start: Start, seed: int, undisturbed: Any) -> None:
    _kill_and_resume(output, start, seed, undisturbed)


@trials("kills at any moment")
def test_kill_at_any_moment_and_resume(output: str, start: Start, seed: int, undisturbed: Any) -> None:
    """The kill comes from outside, in the middle of whatever the step does."""
    rng = random.Random(seed)
    for _ in range(3):
        process = start(output, "pause=0.02", "guard=no")
        deadline = time.monotonic() + 30
        while not storage.exists(storage.join(output, "lease.json")) and process.poll() is None:
            assert time.monotonic() < deadline
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        process.wait()
    assert run(output).manifest.digest == undisturbed.digest


@pytest.mark.parametrize("output", ["file"], indirect=True)
def test_each_part_is_made_once(output: str, start: Start) -> None:
    process = start(output, "kill_at=9", "guard=no")  # in the middle of the third part
    process.communicate(timeout=120)
    before = set(storage.list_files(output))
    assert {"parts/part-0.json", "parts/part-1.json"} <= before
    assert "parts/part-2.json" not in before
    partial = [path for path in before if path.startswith("parts/part-2/")]
    assert partial, "the killed attempt should have left a part that does not count"
    report = run(output)
    after = list(storage.list_files(output))
    for number in range(6):
        record = storage.read_json(storage.join(output, f"parts/part-{number}.json"))
        assert record["payload"]["path"] == f"parts/part-{number}/{record['attempt']}"
        assert (record["attempt"] == report.manifest.attempt) is (number >= 2)
    assert not any(path.startswith("parts/part-0/") and report.manifest.attempt in path for path in after)


@pytest.mark.parametrize("output", ["file"], indirect=True)
def test_an_interrupted_step_releases_its_lease_and_says_so(output: str, start: Start, undisturbed: Any) -> None:
    process = start(output, "pause=0.3")
    deadline = time.monotonic() + 60
    while not storage.exists(storage.join(output, "parts/part-0.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert not storage.exists(storage.join(output, "lease.json"))
    assert storage.read_json(storage.join(output, "error.json"))["code"] == "INTERRUPTED"
    assert run(output).manifest.digest == undisturbed.digest
    assert not storage.exists(storage.join(output, "error.json"))


def test_the_scratch_folder_of_a_killed_attempt_goes_with_the_next(tmp_path: Path, start: Start) -> None:
    temporary = tmp_path / "temporary"
    (temporary / "of somebody else").mkdir(parents=True)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    start(str(tmp_path / "killed"), "kill_at=4", "guard=no", env=environment).communicate(timeout=120)
    before = set(temporary.iterdir())
    assert len(before) == 2
    start(str(tmp_path / "living"), "pause=600", "guard=no", env=environment)
    deadline = time.monotonic() + 120
    while not set(temporary.iterdir()) - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    start(str(tmp_path / "another"), "guard=no", env=environment).communicate(timeout=120)
    left = set(temporary.iterdir())
    assert len(left) == 2, "the folders of a living attempt and of somebody else"
    assert left & before == {temporary / "of somebody else"}


def test_another_seed_is_another_result(tmp_path: Path, undisturbed: Any) -> None:
    """The digest that the other tests compare can differ."""
    assert run(str(tmp_path / "out"), PartsSpec(seed=1)).manifest.digest != undisturbed.digest
