from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.evaluation import EvaluateSpec, evaluate
from earthenware.inference import iterate_reconstructions, load_package
from earthenware.metrics import bilinear_inpainting
from earthenware.products import TrackedModel, TrainedModel
from earthenware.testing import make_chips, make_model


def metrics_of(report) -> dict:
    return json.loads((Path(report.output) / "metrics.json").read_text())


def test_errors_are_those_of_hidden_valid_pixels_of_held_out_places(chain):
    found = metrics_of(chain.evaluation)["reconstruction"]
    store, package = ChipStore.open(chain.chips), load_package(f"{chain.model}/model")
    held_out = np.flatnonzero(store.index["split"].to_numpy(zero_copy_only=False) == "validation")
    [made] = iterate_reconstructions(store, package, held_out, seed=0, batch_size=len(held_out))
    numbers = package.info.normalization
    target, filled = ((values - numbers.mean[:, None, None]) / numbers.std[:, None, None]
                      for values in (made.original, made.reconstruction))  # fmt: skip
    np.testing.assert_allclose(target, made.target, atol=1e-4)
    hidden = made.masked
    assert found["held_out"]
    assert (found["chips"], found["pixels"]) == (len(held_out), int(hidden.sum()))
    assert found["overall"]["model"] == pytest.approx(np.mean((target - filled)[hidden] ** 2), rel=1e-5)
    assert found["overall"]["mean"] == pytest.approx(np.mean(target[hidden] ** 2), rel=1e-5)
    smooth = np.stack([bilinear_inpainting(np.nan_to_num(t), v) for t, v in zip(target, made.visible, strict=True)])
    assert found["overall"]["bilinear"] == pytest.approx(np.mean((target - smooth)[hidden] ** 2), rel=1e-5)
    by_name = {group["name"]: group for group in found["groups"]}
    assert list(by_name) == [group.name for group in package.info.reads.groups]
    for group in package.info.reads.groups:
        bands = list(group.bands)
        errors = (target - filled)[:, bands][hidden[:, bands]] ** 2
        assert by_name[group.name]["model"] == pytest.approx(errors.mean(), rel=1e-5)
    assert not (hidden & np.isnan(made.original)).any()


def test_the_manifest_of_the_model_is_read_once(chain, tmp_path, monkeypatch):
    read: list[str] = []

    def counted(uri, *, _read=storage.read_json):
        read.append(uri)
        return _read(uri)

    monkeypatch.setattr(storage, "read_json", counted)
    evaluate(EvaluateSpec(resamples=100, pictures=0), chain.chips, chain.model, str(tmp_path / "e"))
    assert read.count(f"{chain.model}/manifest.json") == 1


def test_probes_compare_three_sets_of_features_on_other_sites(chain):
    probes = metrics_of(chain.evaluation)["probes"]
    assert probes["available"]
    assert {(row["probe"], row["features"]) for row in probes["results"]} == {
        (probe, features) for probe in ("linear", "knn") for features in ("trained", "untrained", "band_statistics")
    }
    assert (probes["train"]["sites"], probes["held_out"]["sites"]) == (8, 4)
    assert probes["few_sites"]
    for row in probes["results"]:
        assert row["interval"]["value"] == row["balanced_accuracy"]
        assert row["interval"]["low"] <= row["balanced_accuracy"] <= row["interval"]["high"]
    # The classes of the small store differ in level: band statistics read them off, the probe must as well.
    assert chain.evaluation.manifest.metrics["linear_balanced_accuracy_band_statistics"] > 0.95
    assert len(probes["differences"]) == 4


def test_the_untrained_encoder_is_the_architecture_with_other_weights(chain):
    package = load_package(f"{chain.model}/model")
    first, again, other = (package.untrained(seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert {n: w.shape for n, w in first.items()} == {n: w.shape for n, w in package.model.state_dict().items()}
    # The small model was drawn with seed 0 and never trained: the baseline is the model itself.
    own = package.untrained(0).model.state_dict()
    assert all(torch.equal(own[name], weight) for name, weight in package.model.state_dict().items())
    rows = {(r["probe"], r["features"]): r["accuracy"] for r in metrics_of(chain.evaluation)["probes"]["results"]}
    assert rows["knn", "trained"] == rows["knn", "untrained"]


def test_results_do_not_depend_on_the_run(chain, tmp_path):
    again = evaluate(EvaluateSpec(resamples=200, pictures=3), chain.chips, chain.model, str(tmp_path / "again"))
    assert metrics_of(again) == metrics_of(chain.evaluation)
    assert again.manifest.digest == chain.evaluation.manifest.digest
    same = evaluate(EvaluateSpec(resamples=200, pictures=3), chain.chips, chain.model, chain.evaluation.output)
    assert same.reused


def test_pictures_show_chips_of_different_places(chain):
    rows = metrics_of(chain.evaluation)["pictures"]
    assert len({row["site"] for row in rows}) == len(rows) == 3
    for row in rows:
        picture = Image.open(io.BytesIO((Path(chain.evaluation.output) / row["path"]).read_bytes()))
        assert picture.size == (3 * 32 + 2 * 2, 3 * 32 + 2 * 2)
    page = (Path(chain.evaluation.output) / "page.html").read_text()
    assert "Evaluation" in page
    assert "https://" not in page
    assert "http://" not in page


@pytest.mark.parametrize(
    ("fields", "reason", "held_out"),
    [
        ({"labels": False}, "no chip has a land-cover label", True),
        ({"sites": 2}, "no chip of the validation split has a land-cover label", False),
        ({"sites": 1, "chips": 1}, "no chip of the validation split", False),
    ],
)
def test_what_cannot_be_measured_is_said(tmp_path, fields, reason, held_out):
    chips = make_chips(**fields).build(str(tmp_path / "chips")).output
    model = make_model(chips, str(tmp_path / "train")).output
    found = metrics_of(evaluate(EvaluateSpec(resamples=100), chips, model, str(tmp_path / "e")))
    assert not found["probes"]["available"]
    assert reason in found["probes"]["reason"]
    assert found["reconstruction"]["held_out"] is held_out
    assert found["reconstruction"]["overall"]["model"] > 0


def test_classes_that_training_lacks_are_left_out():
    from earthenware.evaluation._probes import run_probes, why_not
    from earthenware.evaluation._sample import LabelledChips

    random = np.random.default_rng(0)
    places = np.repeat(np.array(["a", "b", "c", "d"]), 10)
    train = LabelledChips(np.arange(40), np.tile([10, 20], 20), places)
    held_out = LabelledChips(np.arange(40), np.tile([10, 20, 30, 30], 10), places)
    features = {"trained": (random.random((40, 4)), random.random((40, 4)))}
    result = run_probes(train, held_out, features, k=3, resamples=100, seed=0)
    assert (result.left_out, result.held_out.chips) == (20, 20)
    assert result.chance == 0.5
    one_class = replace(train, labels=np.full(40, 10))
    assert why_not(one_class, held_out) == "the labelled chips of the train split hold one class only"
    assert "no class of the validation split" in (why_not(train, replace(held_out, labels=np.full(40, 95))) or "")
    assert "one class only" in (why_not(train, replace(held_out, labels=np.full(40, 10))) or "")
    assert why_not(train, held_out) is None


def test_a_collapsed_model_raises_the_alarm(chain, tmp_path, capsys):
    from earthenware.inference import save_package
    from earthenware.steps import Result, Spec, run_step

    class Nothing(Spec):
        pass

    package = load_package(f"{chain.model}/model")
    with torch.no_grad():  # the final norm passes nothing but its offset: one vector for every chip
        for name, weight in package.model.named_parameters():
            if name.startswith("encoder") and "norm" in name and weight.ndim == 1:
                weight.fill_(1.0 if name.endswith("bias") else 0.0)

    def body(attempt):
        digest = save_package(attempt.uri("model"), package.model, package.info)
        details = TrainedModel(package="model", package_digest=digest, family="mae").details()
        return Result(counts={}, details=details, content=digest)

    model = run_step("train", 1, spec=Nothing(), inputs={}, output=str(tmp_path / "train"), body=body).output
    report = evaluate(EvaluateSpec(resamples=100, pictures=0), chain.chips, model, str(tmp_path / "e"))
    assert metrics_of(report)["collapse"]["alarm"]
    assert report.manifest.details["alarm"]
    assert "collapsed" in capsys.readouterr().err


def test_results_go_to_the_run_of_the_model(chain, tmp_path):
    from earthenware.steps import Result, Spec, read_manifest, run_step
    from earthenware.tracking import open_run

    class Nothing(Spec):
        pass

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run = open_run(uri, experiment="test", name="run")

    def body(attempt):
        storage.upload_tree(Path(chain.model) / "model", attempt.uri("model"))
        digest = load_package(f"{chain.model}/model").digest
        tracked = TrackedModel(run_id=run.run_id, tracking_uri=uri, name="tiny", version="1")
        trained = TrainedModel(package="model", package_digest=digest, family="mae", tracked=tracked)
        return Result(counts={}, details=trained.details())

    model = run_step("train", 1, spec=Nothing(), inputs={}, output=str(tmp_path / "train"), body=body).output
    report = evaluate(EvaluateSpec(resamples=100, pictures=1), chain.chips, model, str(tmp_path / "e"))
    logged = run.client.get_run(run.run_id).data
    assert (
        logged.metrics["evaluate/reconstruction_error_model"] == report.manifest.metrics["reconstruction_error_model"]
    )
    assert logged.tags["evaluate.digest"] == read_manifest(report.output).digest
    assert [f.path for f in run.client.list_artifacts(run.run_id, "pictures")] == ["pictures/reconstruction-00.jpg"]


def test_inputs_of_another_kind_are_named(chain, tmp_path):
    with pytest.raises(EarthenwareError, match="holds no trained model"):
        evaluate(EvaluateSpec(), chain.chips, chain.chips, str(tmp_path / "x"))
    with pytest.raises(EarthenwareError) as caught:
        evaluate(EvaluateSpec(), chain.model, chain.model, str(tmp_path / "y"))
    assert caught.value.code == "NOT_A_CHIP_STORE"
