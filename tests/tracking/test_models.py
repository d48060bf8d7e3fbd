from __future__ import annotations

import os

import mlflow
import pandas as pd
import pytest

from earthenware import tracking
from earthenware.errors import EarthenwareError

CODE = """
import mlflow, pathlib
class Doubler(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.factor = int(pathlib.Path(context.artifacts["package"], "factor.txt").read_text())
    def predict(self, context, model_input, params=None):
        return model_input["chip_id"].str.len().to_numpy() * self.factor
mlflow.models.set_model(Doubler())
"""
TABLE = pd.DataFrame({"chips": ["store", "store"], "chip_id": ["one", "three"]})


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "factor.txt").write_text("2")
    return folder


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "served.py"
    path.write_text(CODE)
    return path


def test_a_candidate_is_registered_and_loaded_by_its_alias(uri, package, code, tmp_path, monkeypatch):
    before = dict(os.environ)
    run = tracking.open_run(uri, experiment="e", name="n")
    first = tracking.register_candidate(run, package, code=code, name="mae", digest="d1", metrics={"loss": 0.5})
    assert first == "1"
    (package / "factor.txt").write_text("3")
    second = tracking.register_candidate(run, package, code=code, name="mae", digest="d2")
    assert second == "2"
    found = run.client.get_model_version_by_alias("mae", tracking.CANDIDATE)
    assert (str(found.version), found.run_id) == (second, run.run_id)
    assert not any(os.environ.get(name) != before.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"))

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert mlflow.pyfunc.load_model("models:/mae@candidate").predict(TABLE).tolist() == [9, 15]
    assert mlflow.pyfunc.load_model("models:/mae/1").predict(TABLE).tolist() == [6, 10]
    logged = run.client.search_logged_models([run.experiment_id])
    assert {model.source_run_id for model in logged} == {run.run_id}
    assert sorted(metric.value for model in logged for metric in model.metrics or []) == [0.5]
    outputs = run.client.get_run(run.run_id).outputs.model_outputs
    assert {output.model_id for output in outputs} == {model.model_id for model in logged}
    pickles = [path for path in (tmp_path / "root").rglob("*") if path.suffix in (".pkl", ".pt", ".pth")]
    assert pickles == []


def test_registering_again_makes_no_second_version(uri, package, code):
    run = tracking.open_run(uri, experiment="e", name="n")
    first = tracking.register_candidate(run, package, code=code, name="mae", digest="d1")
    again = tracking.register_candidate(run, package, code=code, name="mae", digest="d1")
    assert again == first
    assert len(run.client.search_model_versions("name = 'mae'")) == 1


def test_a_name_that_cannot_be_quoted_is_refused(uri, package, code):
    run = tracking.open_run(uri, experiment="e", name="n")
    with pytest.raises(EarthenwareError) as caught:
        tracking.register_candidate(run, package, code=code, name="o'model", digest="d")
    assert caught.value.code == "BAD_MODEL_NAME"
