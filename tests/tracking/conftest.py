from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from earthenware.tracking._client import connect


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder without any of MLflow's variables: nothing may be written to where one stands."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A database whose tables were made once: MLflow takes seconds for them."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(tmp_path, empty_database) -> str:
    path = tmp_path / "root" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(empty_database, path)
    return f"sqlite:///{path}"
