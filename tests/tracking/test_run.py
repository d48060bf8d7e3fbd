from __future__ import annotations

import json
import os
import threading

import pytest

from earthenware import tracking
from earthenware.errors import EarthenwareError
from earthenware.steps import Manifest


def manifest(step: str = "build", **changes) -> Manifest:
    values = {
        "step": step,
        "algorithm_version": 1,
        "spec": {"chip_size": 64, "catalog": "https://me:secret@stac.example/api?sig=hidden", "bands": ["B02", "B03"]},
        "spec_hash": "s",
        "fingerprint": "f" * 64,
        "digest": "d" * 64,
        "inputs": {},
        "attempt": "a",
        "finished": "now",
        "counts": {"chips": 7},
        "metrics": {"mean": 0.5},
        "details": {},
        "rejects": {"NO_CRS": 2},
        "seconds": {"total": 1.5},
        "artifacts": {},
        "packages": {},
    }
    return Manifest.model_validate({**values, **changes})


def test_a_run_holds_what_a_manifest_says(uri, tmp_path):
    run = tracking.open_run(uri, experiment="earth", name="first", tags={"a": "b"})
    assert run.ours
    run.log_manifest(manifest())
    run.log_history([{"epoch": 1, "loss": 2.0, "missing": None}, {"epoch": 2, "loss": float("nan"), "other": 1.0}])
    run.log_bytes("pictures/one.png", b"png")
    found = run.client.get_run(run.run_id)
    assert found.info.run_name == "first"
    assert found.data.params == {
        "build/chip_size": "64",
        "build/catalog": "https://stac.example/api",
        "build/bands": '["B02", "B03"]',
    }
    assert found.data.metrics == {
        "build/mean": 0.5, "build/count/chips": 7, "build/rejects/NO_CRS": 2, "build/seconds/total": 1.5,
        "loss": 2.0, "other": 1.0,
    }  # fmt: skip
    assert found.data.tags["build.digest"] == "d" * 64
    assert found.data.tags["a"] == "b"
    folder = tmp_path / "root" / "mlflow-artifacts" / run.run_id / "artifacts"
    assert (folder / "pictures" / "one.png").read_bytes() == b"png"
    kept = json.loads((folder / "manifests" / "build.json").read_text())
    assert kept["spec"]["catalog"] == "https://stac.example/api"
    assert run.logged_steps("loss") == {1}
    run.finish()
    assert run.client.get_run(run.run_id).info.status == "FINISHED"


def test_parameters_stay_as_they_were_first_logged(uri):
    run = tracking.open_run(uri, experiment="earth", name="first")
    run.log_params({"a": 1, "long": "x" * 10_000}, "train")
    run.log_params({"a": 2, "b": 3}, "train")
    params = run.client.get_run(run.run_id).data.params
    assert (params["train/a"], params["train/b"], len(params["train/long"])) == ("1", "3", 6000)


def test_many_values_are_logged_in_pieces(uri):
    run = tracking.open_run(uri, experiment="earth", name="first")
    run.log_metrics({f"m{number}": float(number) for number in range(1201)})
    assert len(run.client.get_run(run.run_id).data.metrics) == 1201


def test_a_run_that_is_given_is_used_and_not_ended(uri, monkeypatch):
    maker = tracking.open_run(uri, experiment="theirs", name="parent")
    monkeypatch.setenv("MLFLOW_RUN_ID", maker.run_id)
    run = tracking.open_run(uri, experiment="ours", name="child", resume="whatever")
    assert (run.run_id, run.ours, run.experiment_id) == (maker.run_id, False, maker.experiment_id)
    run.log_metrics({"loss": 1.0}, prefix="train")
    run.finish()
    assert run.client.get_run(run.run_id).info.status == "RUNNING"
    assert len(run.client.search_runs([e.experiment_id for e in run.client.search_experiments()])) == 1
    assert os.environ["MLFLOW_RUN_ID"] == maker.run_id


def test_a_given_run_that_does_not_exist_is_named(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(EarthenwareError, match="MLFLOW_RUN_ID names the run '0000") as caught:
        tracking.open_run(uri, experiment="e", name="n")
    assert caught.value.code == "NO_TRACKING_RUN"


def test_an_attempt_goes_on_with_the_run_of_the_one_before(uri):
    first = tracking.open_run(uri, experiment="e", name="n")
    first.finish("KILLED")
    again = tracking.open_run(uri, experiment="e", name="n", resume=first.run_id)
    assert again == first
    assert again.client.get_run(first.run_id).info.status == "RUNNING"
    first.client.delete_run(first.run_id)
    assert tracking.open_run(uri, experiment="e", name="n", resume=first.run_id).run_id != first.run_id


def test_a_later_step_adds_to_a_run_without_ending_it(uri):
    first = tracking.open_run(uri, experiment="e", name="n")
    first.finish()
    later = tracking.resume_run(first.run_id, uri)
    later.log_metrics({"accuracy": 0.9}, prefix="evaluate")
    later.finish("FAILED")
    found = later.client.get_run(first.run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"evaluate/accuracy": 0.9})
    with pytest.raises(EarthenwareError) as caught:
        tracking.resume_run("1" * 32, uri)
    assert caught.value.code == "NO_TRACKING_RUN"


def test_a_deleted_experiment_is_named(uri):
    run = tracking.open_run(uri, experiment="gone", name="n")
    run.client.delete_experiment(run.experiment_id)
    with pytest.raises(EarthenwareError, match="'gone'") as caught:
        tracking.open_run(uri, experiment="gone", name="n")
    assert caught.value.code == "NO_TRACKING_EXPERIMENT"


def test_writers_that_come_at_once_to_a_new_database_all_get_through(tmp_path):
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    errors: list[BaseException] = []
    runs: list[tracking.Run] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            together.wait(30)
            run = tracking.open_run(uri, experiment="shared", name=f"run {number}")
            for step in range(10):
                run.log_metrics({"loss": float(step)}, step=step)
            run.finish()
            runs.append(run)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join(120) for thread in threads]
    assert errors == []
    assert len({run.experiment_id for run in runs}) == 1
    assert all(run.logged_steps("loss") == set(range(10)) for run in runs)
