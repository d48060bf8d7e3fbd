from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.stand_in import POD, Kubernetes


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    """A cluster that this process is a pipeline step of."""
    stand_in = Kubernetes(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(stand_in.path))
    monkeypatch.setenv("KFP_POD_NAME", POD)
    for name in ("KUBERNETES_SERVICE_HOST", "RAY_ADDRESS", "EARTHENWARE_RAY_JOB"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield stand_in
    finally:
        stand_in.close()
