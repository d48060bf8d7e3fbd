"""Outputs on both kinds of storage, and the demonstration step as a program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from earthenware import storage

PROGRAM = Path(__file__).with_name("step_program.py")


@pytest.fixture(params=["file", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty output prefix."""
    return storage.join(request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path), "runs/demo out")


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the demonstration step in a process of its own, which is gone at the end of the test."""
    monkeypatch.delenv("EARTHENWARE_EVENTS", raising=False)
    started: list[subprocess.Popen[str]] = []

    def begin(output: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAM), output, *arguments]
        process: subprocess.Popen[str] = subprocess.Popen(  # type: ignore[call-overload]
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
