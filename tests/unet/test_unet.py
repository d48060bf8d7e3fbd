"""A second model family goes all the way, and nothing outside its folder knows of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from earthenware.chips import ChipStore
from earthenware.embeddings import EmbedSpec, embed
from earthenware.errors import EarthenwareError
from earthenware.evaluation import EvaluateSpec, evaluate
from earthenware.inference import embed_chips, iterate_reconstructions, load_package
from earthenware.models import families, family, register
from earthenware.products import package_uri, trained_model
from earthenware.steps import checksum
from earthenware.testing import make_chips
from earthenware.training import TrainSpec, train

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def unet():
    """The folder on the path, as if its package were installed, in this process and those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=":")
        yield family("unet")
        sys.modules.pop("earthenware_unet", None)


@pytest.fixture(scope="module")
def chain(unet, tmp_path_factory):
    root = tmp_path_factory.mktemp("unet")
    spec = TrainSpec(family="unet", preset="tiny", epochs=1, batch_size=12, workers=1, device="cpu", tracking_uri="off")
    chips = make_chips(sites=12).build(str(root / "chips"), parts=12).output
    trained = train(spec, chips, str(root / "train"))
    return SimpleNamespace(root=root, spec=spec, chips=chips, trained=trained, model=trained.output)


def test_a_folder_on_the_path_brings_a_family(unet):
    assert families() == ("mae", "unet")
    assert sorted(unet.presets) == ["nano", "tiny"]
    register(unet)  # again: the same
    with pytest.raises(ValueError, match="a model family 'mae' already"):
        register(type("Other", (type(unet),), {"name": "mae"})())


def test_it_is_trained_by_the_same_step(chain):
    assert trained_model(chain.trained.manifest).family == "unet"
    assert 0 < chain.trained.manifest.metrics["train_loss"] < 3
    assert chain.trained.manifest.counts["parameters"] == sum(
        parameter.numel() for parameter in load_package(package_uri(chain.model)).model.parameters()
    )


def test_its_package_names_family_and_code_version(chain, tmp_path):
    folder = Path(package_uri(chain.model))
    document = json.loads((folder / "model.json").read_text())
    assert (document["family"], document["code_version"], document["config"]) == ("unet", 3, {"channels": 16})
    document["code_version"] = 2
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "model.json").write_text(json.dumps({**document, "checksum": checksum(document)}))
    with pytest.raises(EarthenwareError, match="2 of the family 'unet'; this software has 3") as caught:
        load_package(tmp_path)
    assert caught.value.code == "MODEL_FORMAT"


def test_its_chips_are_embedded_and_not_reconstructed(chain):
    store, package = ChipStore.open(chain.chips), load_package(package_uri(chain.model))
    assert (package.width, package.can_reconstruct) == (32, False)
    found = embed_chips(store, package)
    assert found.embeddings.shape == (len(store), 32)
    assert np.isfinite(found.embeddings).all()
    assert len(np.unique(found.embeddings.round(5), axis=0)) == len(store)
    assert np.isnan(found.reconstruction_loss).all()
    with pytest.raises(EarthenwareError, match="family 'unet' does not fill in") as caught:
        next(iterate_reconstructions(store, package))
    assert caught.value.code == "CANNOT_RECONSTRUCT"


def test_what_it_cannot_be_told_is_one_clear_error(chain, tmp_path):
    for changes, words in (
        ({"mask_ratio": 0.5}, "family unet has no configuration value 'mask_ratio'"),
        ({"preset": "large"}, "no preset 'large' of unet; choose one of nano, tiny"),
    ):
        with pytest.raises(EarthenwareError, match=words) as caught:
            train(chain.spec.model_copy(update=changes), chain.chips, str(tmp_path / "-".join(changes)))
        assert caught.value.code == "BAD_MODEL"


def test_it_is_evaluated_without_what_it_cannot_do(chain):
    report = evaluate(EvaluateSpec(resamples=100), chain.chips, chain.model, str(chain.root / "evaluate"))
    found = json.loads((Path(report.output) / "metrics.json").read_text())
    assert found["reconstruction"] is None
    assert found["probes"]["available"]
    assert "linear_balanced_accuracy_trained" in report.manifest.metrics


def test_its_product_describes_it(chain):
    report = embed(EmbedSpec(), chain.chips, chain.model, str(chain.root / "embed"))
    table = pq.read_table(Path(report.output) / "embeddings.parquet")
    assert table["embedding"].type.list_size == 32
    item = json.loads((Path(report.output) / "model.json").read_text())
    facts = item["properties"]
    assert facts["mlm:architecture"] == "U-Net"
    assert facts["mlm:name"].startswith("earthenware-unet-")
    assert facts["mlm:hyperparameters"] == {"channels": 16}
    assert facts["mlm:output"][0]["result"]["shape"] == [-1, 32]
    assert {"rel": "cite-as", "href": "https://arxiv.org/abs/1505.04597"} in item["links"]
    product = json.loads((Path(report.output) / "item.json").read_text())
    assert product["properties"]["emb:runtime_parameters"]["pooling"] == "mean over the pixels of the bottleneck"
