from __future__ import annotations

import pytest

from earthenware.errors import EarthenwareError
from earthenware.products import TrackedModel, TrainedModel, package_uri, trained_model
from earthenware.steps import Result, Spec, read_manifest, run_step

TRACKED = TrackedModel(run_id="r", tracking_uri="sqlite:///mlflow.db", name="tiny", version="3")


def finished(output, details) -> str:
    return run_step(
        "train", 1, spec=Spec(), inputs={}, output=str(output), body=lambda _: Result(counts={}, details=details)
    ).output


@pytest.mark.parametrize("tracked", [None, TRACKED])
def test_what_is_written_is_read(tmp_path, tracked):
    made = TrainedModel(package="model", package_digest="0" * 64, family="mae", tracked=tracked)
    output = finished(tmp_path, made.details())
    assert trained_model(read_manifest(output)) == made
    assert package_uri(output) == f"{tmp_path}/model"


def test_a_step_without_a_model(tmp_path):
    output = finished(tmp_path, {})
    assert trained_model(read_manifest(output)) is None
    with pytest.raises(EarthenwareError, match="holds no trained model") as caught:
        package_uri(output)
    assert caught.value.code == "NO_MODEL"


def test_what_another_version_wrote_is_one_clear_error(tmp_path):
    output = finished(tmp_path, {"model": {"package": "model", "package_digest": "0", "mlflow_run_id": "r"}})
    with pytest.raises(EarthenwareError, match="family") as caught:
        package_uri(output)
    assert caught.value.code == "BAD_MANIFEST"
    assert "\n" not in str(caught.value)
