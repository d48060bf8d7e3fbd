"""What a step says, in a file, in a log and in a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from earthenware.steps import EVENTS_VARIABLE, EventLog, describe_seconds, render_line

from .conftest import PROGRAM, Start
from .step_program import run


def _events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events"))
    return tmp_path / "events"


def test_a_step_tells_its_story_in_json_lines(folder: Path, tmp_path: Path) -> None:
    run(str(tmp_path / "out"), pause=0.05)
    events = _events(folder)
    assert [path.name for path in folder.iterdir()] == [f"{os.getpid()}-demo.jsonl"]
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert events[-1]["counts"] == {"parts": 6}
    assert events[-1]["output"] == str(tmp_path / "out")
    assert {event["step"] for event in events} == {"demo"}
    progress = [event for event in events if event["kind"] == "progress"]
    assert [event["done"] for event in progress] == sorted({event["done"] for event in progress})
    assert progress[-1]["done"] == progress[-1]["total"] == 6
    assert all(event["time"] <= time.time() for event in events)
    run(str(tmp_path / "out"))
    assert _events(folder)[-1]["kind"] == "reused"


def test_a_failure_is_an_event_with_code_and_remedy(folder: Path, tmp_path: Path) -> None:
    from earthenware.errors import EarthenwareError

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "foreign").touch()
    with pytest.raises(EarthenwareError) as caught:
        run(str(tmp_path / "out"))
    event = _events(folder)[-1]
    assert event["kind"] == "failed"
    assert (event["code"], event["message"], event["remedy"]) == (
        caught.value.code,
        caught.value.message,
        caught.value.remedy,
    )


def test_rate_and_time_left_count_what_this_attempt_did(folder: Path) -> None:
    log = EventLog("build")
    log.progress(500, 1000, "scenes")
    assert _events(folder)[-1]["rate"] is None
    assert _events(folder)[-1]["seconds_left"] is None
    time.sleep(0.5)
    log.progress(505, 1000, "scenes")
    event = _events(folder)[-1]
    assert 5 < event["rate"] <= 10, "500 scenes of an earlier attempt are not this one's speed"
    assert event["seconds_left"] == pytest.approx(495 / event["rate"])
    log.progress(0, 3, "tables")
    assert _events(folder)[-1]["rate"] is None, "another phase starts its own count, at once"


def test_progress_is_not_written_faster_than_it_is_read(folder: Path) -> None:
    log = EventLog("build")
    for done in range(5001):
        log.progress(done, 5000, "chips")
    events = _events(folder)
    assert len(events) < 500
    assert events[-1]["done"] == 5000


def test_a_log_that_cannot_be_written_does_not_stop_the_step(folder: Path, tmp_path: Path) -> None:
    log = EventLog("build")
    folder.rmdir()
    log.emit("log", message="x")
    log.progress(1, 2, "x")


def test_a_reader_that_went_away_does_not_stop_the_step(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {key: value for key, value in os.environ.items() if key != EVENTS_VARIABLE}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "out")]
    ended = subprocess.run(command, stderr=writing, stdout=subprocess.PIPE, env=environment, check=False, timeout=120)
    os.close(writing)
    assert b"digest" in ended.stdout
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_log_has_plain_lines(tmp_path: Path, start: Start) -> None:
    _, err = start(str(tmp_path / "out")).communicate(timeout=120)
    lines = err.splitlines()
    assert lines[-1].startswith("demo: done in ")
    assert lines[-1].endswith("(6 parts)")
    assert any(line.startswith("demo: 6/6 parts") for line in lines)
    assert "\r" not in err
    assert len(lines) <= 4, "progress comes every ten seconds"


def test_a_terminal_has_one_live_line(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in (EVENTS_VARIABLE, "COLUMNS")}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "out"), "pause=0.06"]
    process = subprocess.Popen(command, stderr=terminal, stdout=subprocess.DEVNULL, env=environment)
    os.close(terminal)
    shown = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    assert process.wait(timeout=60) == 0
    os.close(controller)
    text = shown.decode()
    assert text.count("\n") == 1, "everything before the last line is overwritten"
    assert "demo: done in " in text.rpartition("\r\n")[0].rpartition("\r")[2]
    frames = [frame for frame in re.split(r"[\r\n]+", text) if "parts" in frame and "done" not in frame]
    assert len(frames) >= 4
    assert max(len(frame) for frame in frames) < 30, "a line that wraps could not be overwritten"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3600, "1 h 00 min"), (4200, "1 h 10 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"kind": "progress", "done": 3, "total": 9, "unit": "chips"}, "a: 3/9 chips"),
        (
            {"kind": "progress", "done": 3, "total": 9, "unit": "chips", "rate": 12.345, "seconds_left": 65.0},
            "a: 3/9 chips, 12.3 chips/s, 1 min 05 s left",
        ),
        ({"kind": "failed", "message": "No.", "remedy": "Do."}, "a: failed: No. Do."),
        ({"kind": "warning", "message": "two\nlines"}, "a: warning: two lines"),
        ({"kind": "log", "message": "\x1b[2Jcleared"}, "a: \\x1b[2Jcleared"),
        ({"kind": "reused", "counts": {"chips": 3}}, "a: nothing to do, finished before (3 chips)"),
    ],
)
def test_lines(event: dict[str, Any], line: str) -> None:
    assert render_line({"task": "a", **event}) == line
