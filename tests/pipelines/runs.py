"""Running the command line in a process of its own, and looking for what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

SMALL = ("train.epochs=1", "train.batch_size=32", "evaluate.resamples=100")
"""Settings of a run that takes about a minute."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "earthenware", *arguments]


def earthenware(*arguments: str, cwd: Path | None = None, seconds: float = 540) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=seconds, cwd=cwd, check=False)


def run_pretrain(spec: Path, *assignments: str) -> subprocess.CompletedProcess[str]:
    settings = [part for assignment in assignments for part in ("--set", assignment)]
    return earthenware("run", "pretrain", "--spec", str(spec), *settings, cwd=spec.parent)


def processes_about(text: str) -> list[psutil.Process]:
    """Return the living processes whose command line or environment names ``text``."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            named = any(text in part for part in process.cmdline()) or text in process.environ().get("EW_TEST_RUN", "")
            if named and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def wait_until_none_about(text: str, seconds: float = 10.0) -> list[psutil.Process]:
    """Wait for the processes about ``text`` to end; return those that have not."""
    deadline = time.monotonic() + seconds
    while (found := processes_about(text)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
