"""Builds that are killed, run out of disk or lose a worker: nothing is lost, and the end is the same."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import rasterio

from earthenware.chips import ChipStore
from earthenware.datacube import BuildSpec, build
from earthenware.errors import EarthenwareError
from tests.datacube._earth import S2, Earth
from tests.datacube._gate import Gate, gate
from tests.soak.trials import trials

SCENES = 10
SPEC = {"chip_size": 32, "part_chips": 1, "timeout": 3600}
LAST = max((f"scene-{i}" for i in range(SCENES)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())


@pytest.fixture(scope="module")
def door() -> Iterator[Gate]:
    """Serves one file of the scene that comes last."""
    with gate() as one:
        yield one


def _behind(door: Gate, earth: Earth, scene: dict[str, Any], band: str) -> Path:
    """Put a file of a scene behind the gate."""
    item = earth.item(scene, S2)
    path = Path(item["assets"][band]["href"])
    item["assets"][band]["href"] = door.url(path)
    earth.set_item(scene, S2, item)
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, door: Gate) -> str:
    earth = Earth(tmp_path_factory.mktemp("earth"), height=96, width=96)
    added = {f"scene-{i}": earth.add(f"scene-{i}", seed=i) for i in range(SCENES)}
    _behind(door, earth, added[LAST], "B02")
    return earth.table()


@pytest.fixture(scope="module")
def undisturbed(scenes: str, tmp_path_factory: pytest.TempPathFactory) -> ChipStore:
    report = build(BuildSpec(**SPEC), scenes, str(tmp_path_factory.mktemp("undisturbed") / "out"))
    return ChipStore.open(report.output)


def _start(scenes: str, output: Path, before: str = "", **fields: object) -> subprocess.Popen[str]:
    # A parent that ignores Ctrl-C, such as a shell's background job, would pass that on.
    program = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
from earthenware.datacube import BuildSpec, build
from earthenware.errors import EarthenwareError
try:
    build(BuildSpec(**{ {**SPEC, **fields}!r}), {scenes!r}, {str(output)!r})
except EarthenwareError as error:
    raise SystemExit(f"{{error.code}}: {{error.message}}")
"""
    # A crash in native code says where it was, too.
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )  # fmt: skip


def _end(process: subprocess.Popen[str], output: Path) -> tuple[int | str, str]:
    """Wait for a build; return its exit code, and all that it said and left behind about why."""
    code: int | str
    try:
        _, said = process.communicate(timeout=300)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)  # every thread says where it hangs
        _, said = process.communicate()
        code = "none within 300 s"
    error = output / "error.json"
    left = error.read_text() if error.exists() else "no error.json"
    return code, f"exit code {code}; {left}; it said: {said or 'nothing'}"


def _committed(output: Path) -> int:
    return len(list((output / "parts").glob("*.json")))


def _kill_three_times_and_finish(scenes: str, output: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(3):
        process = _start(scenes, output)
        aim = rng.randint(min(_committed(output), SCENES - 1), SCENES - 1)
        while process.poll() is None and _committed(output) < aim:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.4))
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        if rng.random() < 0.5:
            process.kill()
        elif process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive, "a worker outlived the process that made it"
    code, said = _end(_start(scenes, output), output)
    assert code == 0, said


def _check(output: Path, expected: ChipStore) -> None:
    store = ChipStore.open(str(output))
    assert store.content_digest == expected.content_digest
    assert store.statistics == expected.statistics
    assert store.index.equals(expected.index)
    assert list(store.verify()) == []
    named = {part.path for part in store.document.parts}
    there = {path.relative_to(output).as_posix() for path in output.glob("parts/*/*") if any(path.iterdir())}
    assert there == named, "what killed attempts left behind is removed"


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.system) for seed in (1, 2))])
def test_killed_builds_end_like_one_undisturbed(scenes: str, undisturbed: ChipStore, tmp_path: Path, seed: int) -> None:
    _kill_three_times_and_finish(scenes, tmp_path / "out", seed)
    _check(tmp_path / "out", undisturbed)


@trials("killed builds")
@pytest.mark.timeout(1200)
def test_killed_builds_end_like_one_undisturbed_many_times(
    scenes: str, undisturbed: ChipStore, tmp_path: Path, seed: int
) -> None:
    _kill_three_times_and_finish(scenes, tmp_path / "out", seed)
    _check(tmp_path / "out", undisturbed)


def test_parts_that_are_there_are_not_built_again(
    scenes: str, undisturbed: ChipStore, tmp_path: Path, door: Gate
) -> None:
    output = tmp_path / "out"
    with door.closed():
        process = _start(scenes, output, workers=1)
        while process.poll() is None and _committed(output) < 4:
            time.sleep(0.005)
        process.kill()
        process.communicate()
    before = {path.name: path.read_text() for path in (output / "parts").glob("*.json")}
    assert 4 <= len(before) < SCENES
    report = build(BuildSpec(**SPEC), scenes, str(output))
    for name, text in before.items():
        assert (output / "parts" / name).read_text() == text
    attempts = {Path(part.path).name for part in ChipStore.open(report.output).document.parts}
    assert len(attempts) == 2
    _check(output, undisturbed)


@pytest.mark.system
def test_a_build_that_is_killed_within_a_scene_goes_on_within_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: Gate
) -> None:
    """Strips that are done are neither read nor written again."""
    earth = Earth(tmp_path / "earth", height=1536, width=1024)
    scene = earth.add("large", seed=3, offset=1000, baseline="04.00")
    band = _behind(door, earth, scene, "B08")  # the offset is decided on a sample of other bands
    with rasterio.open(band) as file:  # of each row of tiles, where it begins
        begins = [int(file.get_tag_item(f"BLOCK_OFFSET_0_{row}", "TIFF", 1)) for row in range(1536 // 64)]
    scenes, output, strips = earth.table(), tmp_path / "out", 12
    narrow = f"from earthenware.datacube import _plan; _plan.STRIP_PIXELS = {1024 * 128}"
    monkeypatch.setenv("EARTHENWARE_EVENTS", str(tmp_path / "events"))
    with door.closed(beyond=begins[12]) as waiting:  # half of the strips
        process = _start(scenes, output, before=narrow, chip_size=64)
        while process.poll() is None and not (waiting.is_set() and _committed(output) >= 4):
            time.sleep(0.005)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    (events,) = (tmp_path / "events").glob("*.jsonl")
    told = [event for event in map(json.loads, events.read_text().splitlines()) if event["kind"] == "progress"]
    assert {(event["total"], event["unit"]) for event in told} == {(24 * 16, "candidate chips")}
    assert any(0 < event["done"] < event["total"] and event["seconds_left"] > 0 for event in told)

    before = {path.name: path.read_text() for path in (output / "parts").glob("*.json")}
    assert 4 <= len(before) < strips
    door.asked.clear()
    monkeypatch.setattr("earthenware.datacube._plan.STRIP_PIXELS", 1024 * 128)
    spec = BuildSpec(**{**SPEC, "chip_size": 64})
    report = build(spec, scenes, str(output))
    for name, text in before.items():
        assert (output / "parts" / name).read_text() == text
    missing = min(set(range(0, 24, 2)) - {int(name.split("-")[1]) for name in before})
    lowest = min(start for _, start in door.asked if start >= 2**15)  # but for the file's head
    assert lowest > begins[missing] - 2**15, "what is fetched is rounded to chunks of 32 KB"
    whole = build(spec, scenes, str(tmp_path / "whole"))
    assert report.manifest.digest == whole.manifest.digest
    assert report.manifest.counts == whole.manifest.counts
    _check(output, ChipStore.open(whole.output))


def test_an_interrupted_build_ends_at_once(scenes: str, undisturbed: ChipStore, tmp_path: Path, door: Gate) -> None:
    output = tmp_path / "out"
    with door.closed() as waiting:
        process = _start(scenes, output)
        assert waiting.wait(300), "a worker must be reading"
        workers = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode != 0, said
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert time.monotonic() - began < 20
    assert json.loads((output / "error.json").read_text())["code"] == "INTERRUPTED"
    build(BuildSpec(**SPEC), scenes, str(output))
    _check(output, undisturbed)


def _children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_worker_that_dies_is_replaced(scenes: str, undisturbed: ChipStore, tmp_path: Path) -> None:
    output, killed = tmp_path / "out", []

    def kill_one() -> None:
        while not killed:
            if _committed(output) >= 2:
                for process in _children()[:1]:
                    process.kill()
                    killed.append(process.pid)
            time.sleep(0.005)

    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    build(BuildSpec(**SPEC), scenes, str(output))
    thread.join(10)
    assert killed
    _check(output, undisturbed)


def test_workers_that_keep_dying_end_the_step(scenes: str, undisturbed: ChipStore, tmp_path: Path) -> None:
    output, stop = tmp_path / "out", threading.Event()

    def kill_all() -> None:
        while not stop.is_set():
            for process in _children():
                process.kill()
            time.sleep(0.01)

    thread = threading.Thread(target=kill_all, daemon=True)
    thread.start()
    try:
        with pytest.raises(EarthenwareError, match="Worker processes died 3 times") as raised:
            build(BuildSpec(**SPEC), scenes, str(output))
    finally:
        stop.set()
        thread.join(10)
    assert raised.value.code == "WORKER_DIED"
    assert "memory" in raised.value.remedy.lower()
    build(BuildSpec(**SPEC), scenes, str(output))
    _check(output, undisturbed)


def test_a_full_disk_is_one_error_and_keeps_what_was_built(tmp_path: Path) -> None:
    earth = Earth(tmp_path / "earth", height=64, width=64)
    names = sorted((f"s{i}" for i in range(5)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    for name in names[:-1]:
        earth.add(name, clouds="none")
    earth.height = earth.width = 224
    earth.add(names[-1], clouds="none")  # comes last, and only its shards are above the limit
    scenes, output = earth.table(), tmp_path / "out"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    code, said = _end(_start(scenes, output, before=limit, workers=1), output)
    assert code == 1, said
    assert "STORAGE_FULL: No space left to write" in said
    assert "Traceback" not in said
    assert json.loads((output / "error.json").read_text())["code"] == "STORAGE_FULL"
    assert _committed(output) == 4
    report = build(BuildSpec(**SPEC), scenes, str(output))
    other = build(BuildSpec(**SPEC), scenes, str(tmp_path / "other"))
    assert report.manifest.digest == other.manifest.digest
    assert not (output / "error.json").exists()
    _check(output, ChipStore.open(other.output))
