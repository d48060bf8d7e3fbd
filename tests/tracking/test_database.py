"""MLflow's database: it appears whole or not at all, and one that a kill left half made ends nothing for ever."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from earthenware import tracking
from earthenware.errors import EarthenwareError

MAKE = "import sys; from earthenware import tracking; tracking.open_run(sys.argv[1], experiment='e', name='n')"


def test_killed_while_it_is_made_it_is_made_anew(tmp_path):
    root = tmp_path / "root"
    uri = f"sqlite:///{root / 'mlflow.db'}"
    process = subprocess.Popen([sys.executable, "-c", MAKE, uri], stderr=subprocess.PIPE)
    while not list(root.glob(".mlflow-database-*/mlflow.db")):  # it has begun
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (root / "mlflow.db").exists(), "tables are made for seconds, and were seen before the last one"
    tracking.open_run(uri, experiment="e", name="n")
    assert [path.name for path in root.iterdir()] == ["mlflow.db"]


@pytest.fixture
def half_made(uri):
    """A database as a former version left it when it was killed: some tables, some migrations, and no word of them."""
    path = uri.removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE trace_info")
        database.execute("DELETE FROM alembic_version")
    return uri


def test_a_half_made_one_without_a_run_is_set_aside_with_a_sentence(half_made, tmp_path):
    with pytest.raises(EarthenwareError, match="is half made and holds no run; it was set aside as") as caught:
        tracking.open_run(half_made, experiment="e", name="n")
    assert caught.value.code == "TRACKING_BROKEN"
    (aside,) = (tmp_path / "root").iterdir()
    assert aside.name.startswith("mlflow.db.broken-")
    assert aside.name in caught.value.message


def test_the_next_run_makes_a_new_one(half_made, tmp_path):
    for _ in range(2):  # steps run in processes of their own
        done = subprocess.run([sys.executable, "-c", MAKE, half_made], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "root").iterdir())) == 2


def test_one_that_holds_runs_stays_where_it_is(half_made, tmp_path):
    with sqlite3.connect(tmp_path / "root" / "mlflow.db") as database:
        database.execute("INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage) VALUES ('a', 0, 'active')")
    with pytest.raises(EarthenwareError, match="cannot be used") as caught:
        tracking.open_run(half_made, experiment="e", name="n")
    assert caught.value.code == "TRACKING_UNREACHABLE"
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["mlflow.db"]
