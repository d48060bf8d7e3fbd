"""A small Earth and one finished run of the compiled pipeline, made once however many workers the tests run on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipelines.runs import SMALL, earthenware, run_pretrain


@dataclass(frozen=True)
class Run:
    """A finished run: its spec, its root, and what the command said."""

    spec: Path
    root: Path
    done: subprocess.CompletedProcess[str]

    def output(self, step: str) -> Path:
        """Return the one output of ``step``."""
        (found,) = (self.root / step).iterdir()
        return found


def write_spec(folder: Path, catalog: Path, root: str) -> Path:
    """Write a commented spec as a user would, with 'init'."""
    spec = folder / "pretrain.yaml"
    made = earthenware("init", str(spec), "--catalog", str(catalog), "--root", root)
    assert made.returncode == 0, made.stderr
    return spec


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]) -> tuple[Path, str]:
    """Return a folder that all workers of this test run share, and the text that its maker, one of them, gave."""
    from filelock import FileLock

    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        said = folder / "made"
        if not said.exists():
            folder.mkdir(exist_ok=True)
            said.write_text(make(folder))
    return folder, said.read_text()


@pytest.fixture(scope="session")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ItemCollection of a small sandbox: six places, two dates, 256 pixels."""

    def make(folder: Path) -> str:
        settings = [part for value in ("places=6", "dates=2", "size=256") for part in ("--set", value)]
        made = earthenware("sandbox", str(folder / "sandbox"), *settings)
        assert made.returncode == 0, made.stderr
        return made.stdout

    return made_once(tmp_path_factory, "earth", make)[0] / "sandbox" / "items.json"


@pytest.fixture(scope="session")
def finished(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the compiled pipeline through kfp.local, from catalog to report."""

    def make(folder: Path) -> str:
        done = run_pretrain(write_spec(folder, small_catalog, str(folder / "root")), *SMALL)
        return json.dumps([done.returncode, done.stdout, done.stderr])

    folder, said = made_once(tmp_path_factory, "finished", make)
    return Run(folder / "pretrain.yaml", folder / "root", subprocess.CompletedProcess([], *json.loads(said)))
