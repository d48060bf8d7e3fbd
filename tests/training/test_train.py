"""The whole step, with Ray and MLflow. One run is shared by the assertions, as it takes half a minute."""

from __future__ import annotations

import math
import os

import numpy as np
import psutil
import pytest
import torch

from earthenware import storage, tracking
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import embed_chips, load_package
from earthenware.models import family
from earthenware.products import trained_model
from earthenware.steps import read_manifest
from earthenware.training import TrainSpec, train
from earthenware.training._checkpoint import SafetensorsCheckpoints, latest_checkpoint
from earthenware.training._fit import Place, fit
from earthenware.training._job import Job

from ._chipstore import build_store

PREPARED = {f"MLFLOW_{name}" for name in (
    "DISABLE_TELEMETRY", "HTTP_REQUEST_MAX_RETRIES", "HTTP_REQUEST_TIMEOUT", "ENABLE_ARTIFACTS_PROGRESS_BAR",
    "SUPPRESS_PRINTING_URL_TO_STDOUT",
)}  # fmt: skip
SPEC = TrainSpec(epochs=6, batch_size=24, patch_size=4, learning_rate=4e-3, workers=2, device="cpu", model_name="tiny")


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EW_TEST_MARK") == mark and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def chips(root) -> str:
    return build_store(root / "build" / "one", count=192, size=16).output


@pytest.fixture(scope="module")
def report(root, chips):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "RAY_ADDRESS"):
            patch.delenv(name, raising=False)
        patch.setenv("EW_TEST_MARK", str(root))
        patch.chdir(root)
        before = dict(os.environ)
        made = train(SPEC, chips, str(root / "train" / "{fingerprint}"))
        changed = {key for key in {**before, **os.environ} if before.get(key) != os.environ.get(key)}
        assert changed <= {*PREPARED, "GIT_PYTHON_REFRESH", "SPT_NOENV"}  # the last is setproctitle's
        yield made


@pytest.fixture(scope="module")
def run(report):
    tracked = trained_model(report.manifest).tracked
    return tracking.resume_run(tracked.run_id, tracked.tracking_uri)


def test_no_process_is_left(root, report):
    assert [process.cmdline() for process in marked(str(root))] == []


def test_losses_fall(report):
    metrics = report.manifest.metrics
    assert metrics["train_loss"] < 0.8 * metrics["first_train_loss"]
    assert metrics["validation_loss"] < 0.9 * metrics["first_validation_loss"]
    assert metrics["chips_per_second"] > 0


def test_counts(report):
    counts = report.manifest.counts
    assert counts == {
        "chips_train": 144, "chips_validation": 48, "epochs": 6, "steps": 36, "parameters": counts["parameters"]
    }  # fmt: skip
    assert counts["parameters"] > 1e5


def test_history(report):
    table = storage.read_table(storage.join(report.output, "history.parquet"))
    assert table.column_names == ["epoch", "train_loss", "validation_loss", "learning_rate", "chips_per_second"]
    assert table["epoch"].to_pylist() == [1, 2, 3, 4, 5, 6]
    rates = table["learning_rate"].to_pylist()
    assert rates[0] > rates[-1] > 0
    assert all(math.isfinite(value) for name in table.column_names for value in table[name].to_pylist())


def test_the_package_loads_and_knows_its_chips(report, chips):
    package = load_package(storage.join(report.output, "model"))
    store = ChipStore.open(chips)
    assert package.info.training_digest == store.content_digest
    assert package.digest == trained_model(report.manifest).package_digest
    assert package.info.statistics["sentinel-2-l2a"]["B04"].mean == pytest.approx(
        store.statistics["sentinel-2-l2a"]["B04"].mean
    )
    assert package.info.metrics["validation_loss"] == report.manifest.metrics["validation_loss"]


def test_two_workers_learn_what_one_learns(report, chips, tmp_path):
    """The same up to rounding, which training amplifies step by step; test_gradients holds one step to rounding."""
    folder = str(tmp_path / "alone")
    fit(Job(SPEC, chips, folder, "alone", family("mae")), Place(), lambda note: None)
    alone = SafetensorsCheckpoints().load_checkpoint(latest_checkpoint(folder)[1])["earthenware"]["history"]
    together = storage.read_table(storage.join(report.output, "history.parquet")).to_pylist()
    # 6 steps an epoch. By the third, rounding decides which way a learning rate of 4e-3 goes.
    for epoch, tolerance in ((0, 1e-5), (1, 1e-2)):
        for loss in ("train_loss", "validation_loss"):
            assert together[epoch][loss] == pytest.approx(alone[epoch][loss], rel=tolerance)


def test_only_the_last_checkpoint_stays(report):
    assert list(storage.list_files(f"{report.output}/checkpoints")) == ["step-000000036.safetensors"]


def test_again_is_nothing_to_do(report, chips, root):
    again = train(SPEC, chips, str(root / "train" / "{fingerprint}"))
    assert again.reused
    other = train(SPEC.model_copy(update={"workers": 1, "cache_mb": 0}), chips, str(root / "train" / "{fingerprint}"))
    assert other.reused
    assert read_manifest(report.output).digest == again.manifest.digest


def test_tracking_lies_beside_the_run(root, report, run):
    assert trained_model(report.manifest).tracked.tracking_uri == f"sqlite:///{root}/mlflow.db"
    assert (root / "mlflow.db").is_file()
    assert sorted(path.name for path in root.iterdir()) == ["build", "mlflow-artifacts", "mlflow.db", "train"]


def test_the_run_holds_parameters_metrics_and_digests(run, report, chips):
    data = run.client.get_run(run.run_id).data
    assert run.client.get_run(run.run_id).info.status == "FINISHED"
    assert data.params["train/epochs"] == "6"
    build = {name: str(value) for name, value in read_manifest(chips).spec.items()}
    assert build
    assert {name: data.params[f"build/{name}"] for name in build} == build
    assert data.metrics["build/count/chips"] == 192
    assert data.metrics["train/count/steps"] == 36
    assert data.tags["build.digest"] == read_manifest(chips).digest
    assert data.tags["chips.content_digest"] == ChipStore.open(chips).content_digest
    rows = run.client.get_metric_history(run.run_id, "train/validation_loss")
    history = storage.read_table(storage.join(report.output, "history.parquet"))
    assert [row.step for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.value for row in rows] == history["validation_loss"].to_pylist()
    assert [item.path for item in run.client.list_artifacts(run.run_id, "manifests")] == ["manifests/build.json"]


def test_epochs_are_logged_while_training_goes_on(run):
    rows = run.client.get_metric_history(run.run_id, "train/train_loss")
    assert rows[-1].timestamp - rows[0].timestamp > 0


def test_the_registered_candidate_gives_the_same_embeddings(report, chips):
    import mlflow
    import pandas as pd

    model = trained_model(report.manifest)
    uri = model.tracked.tracking_uri
    version = tracking.resume_run(model.tracked.run_id, uri).client.get_model_version_by_alias("tiny", "candidate")
    assert (str(version.version), version.run_id) == ("1", model.tracked.run_id)
    assert model.package_digest in version.tags.values()
    assert (model.tracked.name, model.tracked.version) == ("tiny", "1")

    store = ChipStore.open(chips)
    chosen = np.array([5, 0, 77])
    expected = embed_chips(store, load_package(storage.join(report.output, "model")), chosen).embeddings
    ids = [store.index["chip_id"][int(i)].as_py() for i in chosen]
    table = pd.DataFrame({"chips": [chips] * 3, "chip_id": ids})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        loaded = mlflow.pyfunc.load_model("models:/tiny@candidate")
    np.testing.assert_array_equal(loaded.predict(table), expected)
    with pytest.raises(EarthenwareError, match="no chip 'nowhere'"):
        loaded.predict(pd.DataFrame({"chips": [chips], "chip_id": ["nowhere"]}))


def test_nothing_registered_is_a_pickle(root, report):
    files = [path for path in (root / "mlflow-artifacts").rglob("*") if path.is_file()]
    assert {"_served.py", "model.safetensors", "model.json", "MLmodel"} <= {path.name for path in files}
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pth", ".pt", ".ckpt")]
    assert torch.load  # what must not be needed: the package is read by safetensors alone


# ------------------------------------------------------------------------------------------------- errors, before Ray


def test_no_chip_to_train_on(tmp_path):
    chips = build_store(tmp_path / "chips", count=8, size=16, splits=("test",)).output
    with pytest.raises(EarthenwareError, match="train split") as caught:
        train(SPEC, chips, str(tmp_path / "out"))
    assert caught.value.code == "NO_TRAINING_CHIPS"


def test_patches_that_do_not_fill_a_chip(chips, tmp_path):
    with pytest.raises(EarthenwareError, match=r"patch_size is 5 .* 16") as caught:
        train(SPEC.model_copy(update={"patch_size": 5}), chips, str(tmp_path / "out"))
    assert caught.value.code == "BAD_MODEL"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "forest"}, "no model family 'forest'; there is mae"),
        ({"preset": "huge"}, "no preset 'huge' of mae"),
        ({"sensors": ("sentinel-9",)}, "no sensor 'sentinel-9'"),
    ],
)
def test_a_model_that_does_not_exist(chips, tmp_path, changes, words):
    with pytest.raises(EarthenwareError, match=words):
        train(SPEC.model_copy(update=changes), chips, str(tmp_path / "out"))


def test_more_workers_than_chips_per_step(chips, tmp_path):
    with pytest.raises(EarthenwareError, match="cannot feed 20 workers") as caught:
        train(SPEC.model_copy(update={"workers": 20, "batch_size": 16}), chips, str(tmp_path / "out"))
    assert caught.value.code == "TOO_FEW_CHIPS"


def test_a_tracking_server_that_is_not_there_costs_no_training(chips, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    spec = SPEC.model_copy(update={"tracking_uri": "http://user:secret@127.0.0.1:9"})
    with pytest.raises(EarthenwareError, match=r"http://127\.0\.0\.1:9") as caught:
        train(spec, chips, str(tmp_path / "out"))
    assert caught.value.code == "TRACKING_UNREACHABLE"
    assert "secret" not in str(caught.value)
    assert not list((tmp_path / "out").glob("checkpoints/*"))
