"""A small sandbox and one finished run of the compiled pipeline, shared by the end-to-end tests."""

from __future__ import annotations

import subprocess
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


@pytest.fixture(scope="session")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ItemCollection of a small sandbox: six places, two dates, 256 pixels."""
    folder = tmp_path_factory.mktemp("earth") / "sandbox"
    settings = [part for value in ("places=6", "dates=2", "size=256") for part in ("--set", value)]
    made = earthenware("sandbox", str(folder), *settings)
    assert made.returncode == 0, made.stderr
    return folder / "items.json"


def write_spec(folder: Path, catalog: Path, root: str) -> Path:
    """Write a commented spec as a user would, with 'init'."""
    spec = folder / "pretrain.yaml"
    made = earthenware("init", str(spec), "--catalog", str(catalog), "--root", root)
    assert made.returncode == 0, made.stderr
    return spec


@pytest.fixture(scope="session")
def finished(small_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the compiled pipeline through kfp.local, from catalog to report."""
    folder = tmp_path_factory.mktemp("run")
    spec = write_spec(folder, small_catalog, str(folder / "root"))
    return Run(spec, folder / "root", run_pretrain(spec, *SMALL))
