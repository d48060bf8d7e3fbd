"""What becomes of training when MLflow fails, and of a run that is given; the loop runs here, without Ray."""

from __future__ import annotations

import pytest

from earthenware import tracking
from earthenware.errors import EarthenwareError
from earthenware.models import family
from earthenware.products import trained_model
from earthenware.training import TrainSpec, _launch, train
from earthenware.training._fit import Place, fit
from earthenware.training._job import Job

from ._chipstore import build_store

SPEC = TrainSpec(epochs=2, batch_size=24, patch_size=8, workers=1)


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> str:
    return build_store(tmp_path_factory.mktemp("record") / "chips", count=48, size=16).output


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Train in this process."""

    def launch(spec, chips, checkpoints, attempt, on_epoch):
        notes: list[dict] = []
        fit(Job(spec, chips, checkpoints, attempt.name, family(spec.family)), Place(), notes.append)
        for note in notes:
            _launch._relay(note, attempt, on_epoch)

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_launch, "launch", launch)
    monkeypatch.chdir(tmp_path)


def refuse(*_, **__):
    raise EarthenwareError("TRACKING_UNREACHABLE", "The MLflow store cannot be used: gone.")


def test_weights_outlive_a_store_that_goes_away(chips, tmp_path):
    output = tmp_path / "root" / "train" / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "register_candidate", refuse)
        patch.setattr(tracking.Run, "log_history", refuse)
        with pytest.raises(EarthenwareError) as caught:
            train(SPEC, chips, str(output))
    assert caught.value.code == "TRACKING_UNREACHABLE"
    [written] = output.glob("results/*/model/model.safetensors")
    kept = written.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_launch, "launch", refuse)  # nothing may be trained again
        report = train(SPEC, chips, str(output))
    assert (output / "model" / "model.safetensors").read_bytes() == kept
    tracked = trained_model(report.manifest).tracked
    run = tracking.resume_run(tracked.run_id, tracked.tracking_uri)
    assert run.logged_steps("train/train_loss") == {1, 2}
    assert len(run.client.search_runs([run.experiment_id])) == 1
    assert (tracked.name, tracked.version) == ("earthenware-mae", "1")  # the name follows the family


def test_a_given_run_is_used_and_left_open(chips, tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/theirs.db"
    maker = tracking.open_run(uri, experiment="theirs", name="parent")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", maker.run_id)
    report = train(SPEC, chips, str(tmp_path / "out"))
    tracked = trained_model(report.manifest).tracked
    assert (tracked.run_id, tracked.tracking_uri) == (maker.run_id, uri)
    found = maker.client.get_run(maker.run_id)
    assert found.info.status == "RUNNING"
    assert found.data.params["train/epochs"] == "2"
    assert len(maker.client.search_runs([e.experiment_id for e in maker.client.search_experiments()])) == 1
    assert not (tmp_path / "mlflow.db").exists()


def test_without_tracking_nothing_is_written_beside_the_output(chips, tmp_path):
    folder = tmp_path / "alone"
    report = train(SPEC.model_copy(update={"tracking_uri": "off"}), chips, str(folder / "out"))
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert trained_model(report.manifest).tracked is None
    assert sorted(report.manifest.artifacts) == [
        "history.parquet", "model/model.json", "model/model.safetensors", "rejects.parquet"
    ]  # fmt: skip


def test_a_store_without_validation_chips_trains_with_a_warning(tmp_path, capsys):
    chips = build_store(tmp_path / "chips", count=48, size=16, splits=("train",)).output
    report = train(SPEC.model_copy(update={"tracking_uri": "off"}), chips, str(tmp_path / "out"))
    assert "validation split" in capsys.readouterr().err
    assert report.manifest.counts["chips_validation"] == 0
    assert "validation_loss" not in report.manifest.metrics


def test_training_on_s3(chips, bucket, monkeypatch):
    report = train(SPEC.model_copy(update={"tracking_uri": "off"}), chips, f"{bucket}/run/train/{{fingerprint}}")
    assert report.output.startswith(f"{bucket}/run/train/")
    with pytest.raises(EarthenwareError) as caught:
        train(SPEC, chips, f"{bucket}/run/other")
    assert caught.value.code == "NO_TRACKING_URI"
