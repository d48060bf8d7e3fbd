"""How often each attack is tried, and the ground on which a trial takes place."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
import yaml

from earthenware import storage
from earthenware.graph import PIPELINES, STEPS
from earthenware.steps import read_manifest
from tests.pipelines.runs import processes_about
from tests.small_run import Run

TRIALS: Final = {
    "killed steps": (8, 56),
    "killed runs": (1, 8),
    "pairs": (2, 16),
    "faulty stores": (6, 36),
    "full disks": (2, 24),
    "damaged files": (1, 12),
    "absurd items": (0, 24),
    "killed builds": (0, 10),
    "kills at points of danger": (0, 20),
    "kills at any moment": (2, 8),
}
"""Trials of each attack: with every change (``make test-system``), and by ``make soak``."""
MADE: Final = tuple(step.name for step in STEPS.values() if step.outputs)
"""The steps that leave something."""
STEP: Final = ("-m", "earthenware")


def trials(attack: str, *, sample: bool = True) -> pytest.MarkDecorator:
    """Give a test the seeds of an attack; ``SOAK_TRIALS`` in the environment multiplies those of the soak."""
    few, many = TRIALS[attack]
    few, many = few if sample else 0, many * int(os.environ.get("SOAK_TRIALS", "1"))
    marks = [pytest.mark.system] * few + [pytest.mark.soak] * many
    return pytest.mark.parametrize("seed", [pytest.param(seed, marks=mark) for seed, mark in enumerate(marks)])


@dataclass(frozen=True)
class Again:
    """A step of a finished run, to be run once more: what it reads, how long it took, and what came of it."""

    step: str
    spec: dict[str, Any]
    inputs: tuple[str, ...]
    seconds: float
    digest: str

    @classmethod
    def of(cls, run: Run, step: str, root: str = "") -> Again:
        """Take a step of a finished run; its inputs from another root that holds the same, where one is given."""
        task = next(one for one in PIPELINES["pretrain"].tasks if one.step.name == step)
        where = {name: run.output(source) for name, source in task.inputs.items()}
        inputs = [
            f"--{name}={storage.join(root, path.parent.name, path.name) if root else path}"
            for name, path in where.items()
        ]
        manifest = read_manifest(str(run.output(step)))
        return cls(step, manifest.spec, tuple(inputs), manifest.seconds["total"], manifest.digest)

    def arguments(self, output: str, folder: Path, **changes: Any) -> list[str]:
        """Return the arguments of the command, whose spec is written to a folder."""
        given: list[str] = []
        if self.spec:
            spec = folder / f"{self.step}-{len(list(folder.glob('*.yaml')))}.yaml"
            spec.write_text(yaml.safe_dump({**self.spec, **changes}))
            given = ["--spec", str(spec)]
        return [self.step, *self.inputs, *given, "--output", output]


@dataclass
class Ground:
    """Where the commands of one trial run, and what they leave there.

    Attributes:
        folder: A folder of the trial's own.
        temporary: The temporary folder of its commands.
    """

    folder: Path
    temporary: Path
    _shared: set[int] = field(default_factory=set)
    _said: dict[subprocess.Popen[str], Path] = field(default_factory=dict)

    def start(
        self, arguments: Sequence[str], program: Sequence[str] = STEP, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        # The cache of torch is one for all processes of a user, and stays.
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(self.folder / "torch")}
        own = {"TMPDIR": str(self.temporary), "EW_TEST_RUN": str(self.folder), **cache}
        # Into a file: what outlives the command for a moment would keep a pipe open.
        log = self.folder / f"said-{len(self._said)}"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                env={**os.environ, **own, **environment},
            )
        self._said[process] = log
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        """Return what a command said so far."""
        return self._said[process].read_text()

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for a command; return its exit code, and that with all that it said."""
        code = process.wait(timeout=1200)
        return code, f"exit code {code}\n{self.said(process)}"

    def kill(self, process: subprocess.Popen[str], rng: random.Random) -> None:
        """Kill a command alone, or with its group."""
        with contextlib.suppress(psutil.Error, OSError):
            found = psutil.Process(process.pid)
            for one in (found, *found.children(recursive=True)):
                lines = Path(f"/proc/{one.pid}/maps").read_text().splitlines()
                self._shared |= {int(line.split()[4]) for line in lines if " /dev/shm/" in line}
        with contextlib.suppress(ProcessLookupError):
            (os.kill if rng.random() < 0.5 else os.killpg)(process.pid, 9)
        process.wait()

    def left(self) -> list[str]:
        """Return what the commands left: processes, temporary files, and semaphores, which have a minute to go."""
        deadline = time.monotonic() + 60
        while True:
            found = [" ".join(["process", *_words(one)]) for one in processes_about(str(self.folder))]
            found += [f"temporary {path.name}" for path in self.temporary.iterdir()]
            found += [f"/dev/shm/{one.name}" for one in os.scandir("/dev/shm") if one.inode() in self._shared]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return ["that has ended"]


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for a condition, or for the end of the process that is to bring it about."""
    while process.poll() is None and not condition():
        time.sleep(0.005)


def unfinished(output: str) -> list[str]:
    """Return what only an unfinished attempt has below an output: leases, errors, files half written."""
    names = ("lease.json", "error.json")
    found = [path for path in storage.list_files(output) if path.rpartition("/")[2] in names]
    if storage.is_local(output):
        found += [str(path) for path in Path(output).rglob(".earthenware-*")]
    return found
