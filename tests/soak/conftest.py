"""The ground of a trial, on either kind of storage."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from earthenware import storage
from tests.pipelines.runs import processes_about
from tests.soak.trials import Ground


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Where a trial takes place; the short path of its temporary folder is one in which Ray has room for sockets."""
    with tempfile.TemporaryDirectory(prefix="ew", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        try:
            yield Ground(tmp_path, Path(temporary))
        finally:
            for process in processes_about(str(tmp_path)):
                with contextlib.suppress(psutil.Error):
                    process.kill()


@pytest.fixture
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return a new output on a kind of storage, ``file`` or ``s3``."""

    def make(kind: str) -> str:
        return storage.join(request.getfixturevalue("bucket") if kind == "s3" else str(tmp_path / "root"), "step/out")

    return make
