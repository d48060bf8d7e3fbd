"""What MLflow is told of a step that knows a trained model: the same whoever calls the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earthenware import tracking
from earthenware.errors import EarthenwareError
from earthenware.products import TrackedModel, TrainedModel, record_step
from earthenware.steps import Attempt, Result, Spec, dry_run, read_manifest, run_step


class Nothing(Spec):
    """A step with nothing to set."""


def finished(step: str, output: Path, details: dict[str, Any] | None = None) -> str:
    """Run a step that puts one page and return its output."""

    def body(attempt: Attempt) -> Result:
        attempt.put("page.html", f"page of {step}".encode())
        return Result({"chips": 7}, {"score": 0.5}, details or {})

    return run_step(step, 1, spec=Nothing(), inputs={}, output=str(output), body=body).output


def tracked_model(output: Path, uri: str, run_id: str) -> str:
    """Return the output of a training that MLflow knows of."""
    tracked = TrackedModel(run_id=run_id, tracking_uri=uri, name="tiny", version="1")
    trained = TrainedModel(package="model", package_digest="0" * 64, family="mae", tracked=tracked)
    return finished("train", output, trained.details())


def test_a_step_is_logged_once_to_the_run_of_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run = tracking.open_run(uri, experiment="test", name="run")
    model = tracked_model(tmp_path / "train", uri, run.run_id)
    other = finished("validate", tmp_path / "validate")
    with dry_run():
        record_step(read_manifest(model), other, read_manifest(other))
    assert "validate.digest" not in run.client.get_run(run.run_id).data.tags
    for _ in range(2):
        record_step(read_manifest(model), other, read_manifest(other), {"page.html": "pages/validate.html"})
    logged = run.client.get_run(run.run_id).data
    assert logged.metrics == {"validate/score": 0.5, "validate/count/chips": 7.0} | {
        key: value for key, value in logged.metrics.items() if key.startswith("validate/seconds/")
    }
    assert logged.tags["validate.digest"] == read_manifest(other).digest
    assert len(run.client.get_metric_history(run.run_id, "validate/score")) == 1
    assert [file.path for file in run.client.list_artifacts(run.run_id, "pages")] == ["pages/validate.html"]


def test_a_store_that_is_gone_costs_a_warning_and_no_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise EarthenwareError("TRACKING_UNREACHABLE", "The MLflow store cannot be used.")

    monkeypatch.setattr(tracking, "resume_run", gone)
    model = tracked_model(tmp_path / "train", "http://127.0.0.1:9", "0" * 32)
    other = finished("embed", tmp_path / "embed")
    record_step(read_manifest(model), other, read_manifest(other))
    assert "embed: warning: MLflow has not been told of this step: The MLflow store cannot be used." in (
        capsys.readouterr().err
    )


def test_a_model_that_was_not_tracked_asks_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "resume_run", None)
    trained = TrainedModel(package="model", package_digest="0" * 64, family="mae")
    model = finished("train", tmp_path / "train", trained.details())
    other = finished("embed", tmp_path / "embed")
    record_step(read_manifest(model), other, read_manifest(other))
