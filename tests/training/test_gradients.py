"""Several workers take the step that one would take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ._chipstore import build_store

PROGRAM = Path(__file__).with_name("_rank.py")


def test_workers_share_one_gradient(tmp_path):
    chips = build_store(tmp_path / "chips", count=40, size=16).output  # some cloudy, some without radar: uneven parts

    def start(rank: int, workers: int) -> tuple[subprocess.Popen, Path]:
        result = tmp_path / f"{rank}-of-{workers}.npz"
        arguments = [chips, str(tmp_path / f"meeting-{workers}"), str(rank), str(workers), str(result)]
        return subprocess.Popen([sys.executable, str(PROGRAM), *arguments]), result

    def results(workers: int) -> list[tuple[np.ndarray, float]]:
        started = [start(rank, workers) for rank in range(workers)]
        assert [process.wait(200) for process, _ in started] == [0] * workers
        return [(found["gradient"], float(found["loss"])) for found in (np.load(path) for _, path in started)]

    [(gradient, loss)] = results(1)
    shared = results(3)
    for found, found_loss in shared:
        assert found_loss == pytest.approx(loss, rel=1e-6)
        np.testing.assert_array_equal(found, shared[0][0])
        assert np.abs(found - gradient).max() < 1e-5 * np.abs(gradient).max()
