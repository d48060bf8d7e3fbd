from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import Package, PackageInfo, embed_chips, load_package, save_package
from earthenware.sensors import SENSORS
from earthenware.steps import checksum

from ._stores import make_package, small_model

S2 = SENSORS["sentinel-2-l2a"]


def test_a_package_comes_back_as_it_went(tmp_path: Path, store: ChipStore) -> None:
    model = small_model(normalize_targets=True)
    info = PackageInfo.from_store(store).model_copy(update={"metrics": {"loss": 0.25, "accuracy": math.nan}})
    digest = save_package(tmp_path, model, info)
    loaded = load_package(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    assert loaded.digest == digest
    assert loaded.model.config == model.config
    assert not loaded.model.training
    state = loaded.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert loaded.info.model_copy(update={"metrics": {}}) == info.model_copy(update={"metrics": {}})
    assert loaded.info.metrics["loss"] == 0.25
    assert math.isnan(loaded.info.metrics["accuracy"])
    assert loaded.info.training_digest == store.content_digest


def test_the_document_is_what_it_says(tmp_path: Path, store: ChipStore) -> None:
    make_package(tmp_path, store)
    document = json.loads((tmp_path / "model.json").read_text())
    assert (document["format"], document["format_version"]) == ("earthenware-model", 2)
    assert (document["family"], document["code_version"]) == ("mae", 1)
    assert document["config"]["patch_size"] == 4
    reads = document["reads"]
    assert [one["sensor"] for one in reads["sensors"]] == ["sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"]
    assert reads["sensors"][1] == {
        "sensor": "sentinel-1-rtc",
        "unit": "gamma0 dB",
        "bands": ["vv", "vh"],
        "wavelengths_nm": [55_465_764.7, 55_465_764.7],
        "groups": {"sar": ["vv", "vh"]},
    }
    assert document["ignore"]["sentinel-2-l2a"] == ["nodata", "cloud", "shadow", "saturated"]
    assert document["statistics"]["sentinel-1-rtc"]["vv"]["mean"] == pytest.approx(-12, abs=2)
    assert (reads["chip_size"], reads["gsd"]) == (16, 10.0)


def test_the_digest_is_of_the_content(tmp_path: Path, store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    digests = [
        save_package(tmp_path / name, model, about)
        for name, model, about in (
            ("a", small_model(), info),
            ("b", small_model(), info),
            ("c", small_model(seed=1), info),
            ("d", small_model(), info.model_copy(update={"metrics": {"loss": 1.0}})),
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_package_can_be_replaced(tmp_path: Path, store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    save_package(tmp_path, small_model(seed=1), info)
    digest = save_package(tmp_path, small_model(depth=1), info)
    assert load_package(tmp_path).digest == digest


def test_loading_leaves_random_numbers_alone(tmp_path: Path, store: ChipStore) -> None:
    make_package(tmp_path, store)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_package(tmp_path)
    assert torch.equal(torch.rand(4), expected)


def test_packages_live_in_object_stores(bucket: str, tmp_path: Path, store: ChipStore) -> None:
    digest = save_package(f"{bucket}/run/model", small_model(), PackageInfo.from_store(store))
    remote = load_package(f"{bucket}/run/model")
    assert remote.digest == digest == make_package(tmp_path, store).digest
    assert load_package(f"file://{tmp_path}").digest == digest
    assert sorted(storage.list_files(f"{bucket}/run/model")) == ["model.json", "model.safetensors"]
    with pytest.raises(EarthenwareError, match=r"model\.json is missing") as caught:
        load_package(f"{bucket}/run/other")
    assert caught.value.code == "MODEL_MISSING"


def edit(change: Callable[[dict[str, Any]], object], *, sign: bool = True) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        document = json.loads((folder / "model.json").read_text())
        change(document)
        if sign:
            document["checksum"] = checksum(document)
        (folder / "model.json").write_text(json.dumps(document))

    return apply


def wrong_shape(folder: Path) -> None:
    import hashlib

    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    save_file({**tensors, "metadata.place.bias": torch.zeros(7)}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    edit(lambda document: document["weights"].update(sha256=digest))(folder)


def one_flipped_bit(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (lambda folder: (folder / "model.json").unlink(), "MODEL_MISSING", "model.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "MODEL_MISSING", "model.safetensors is missing"),
        (lambda folder: (folder / "model.json").write_text('{"format": '), "MODEL_CORRUPT", "complete JSON"),
        (lambda folder: (folder / "model.json").write_text("[]"), "MODEL_FORMAT", "not a model package"),
        (edit(lambda d: d.update(format="other")), "MODEL_FORMAT", "'other'"),
        (edit(lambda d: d.update(format_version=1)), "MODEL_FORMAT", "has format version 1; this software reads 2"),
        (edit(lambda d: d.update(format_version=3)), "MODEL_FORMAT", "has format version 3; this software reads 2"),
        (
            edit(lambda d: d.update(family="unknown")),
            "MODEL_FORMAT",
            "the family 'unknown', which is not known",
        ),
        (
            edit(lambda d: d.update(code_version=7)),
            "MODEL_FORMAT",
            "7 of the family 'mae'; this software has 1",
        ),
        (edit(lambda d: d.update(checksum="0" * 64), sign=False), "MODEL_CORRUPT", "its checksum does not match"),
        (edit(lambda d: d["config"].update(depth=3), sign=False), "MODEL_CORRUPT", "its checksum does not match"),
        (edit(lambda d: d.pop("family")), "MODEL_CORRUPT", "family is required"),
        (edit(lambda d: d.pop("statistics")), "MODEL_CORRUPT", "statistics is required"),
        (edit(lambda d: d["config"].pop("depth")), "MODEL_CORRUPT", "'depth' is missing"),
        (edit(lambda d: d["config"].update(colour=1)), "MODEL_CORRUPT", "'colour' is unknown"),
        (edit(lambda d: d["config"].update(heads=0)), "MODEL_CORRUPT", "heads"),
        (edit(lambda d: d["config"].update(depth=3)), "MODEL_CORRUPT", "encoder.attention.2"),
        (edit(lambda d: d["config"].update(patch_size=5)), "MODEL_CORRUPT", "does not divide the chips' 16"),
        (edit(lambda d: d["reads"]["sensors"].pop()), "MODEL_CORRUPT", "ignore must name the sensors"),
        (edit(lambda d: d["reads"]["sensors"][0].update(groups={"a": ["B02"]})), "MODEL_CORRUPT", "exactly once"),
        (edit(lambda d: d["ignore"].update({"sentinel-2-l2a": ["fog"]})), "MODEL_CORRUPT", "no flag 'fog'"),
        (edit(lambda d: d.update(statistics=[])), "MODEL_CORRUPT", "model.json"),
        (edit(lambda d: d.update(reads="all")), "MODEL_CORRUPT", "model.json"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"pickle"), "MODEL_CORRUPT", "is damaged"),
        (one_flipped_bit, "MODEL_CORRUPT", "is damaged"),
        (wrong_shape, "MODEL_CORRUPT", "metadata.place.bias is 7, and the architecture wants 32"),
    ],
)
def test_a_bad_package_is_one_clear_error(
    tmp_path: Path, store: ChipStore, damage: Callable[[Path], object], code: str, words: str
) -> None:
    make_package(tmp_path, store)
    damage(tmp_path)
    with pytest.raises(EarthenwareError) as caught:
        load_package(tmp_path)
    assert caught.value.code == code
    assert words in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert "\n" not in str(caught.value)


def test_model_and_info_must_agree(tmp_path: Path, store: ChipStore) -> None:
    info = PackageInfo.from_store(store, [S2.id])
    with pytest.raises(ValueError, match=r"reads the bands .*'dem'.*, its info names .*'B12'"):
        save_package(tmp_path, small_model(), info)
    assert list(tmp_path.iterdir()) == []


def test_a_model_over_some_sensors(tmp_path: Path, store: ChipStore) -> None:
    info = PackageInfo.from_store(store, [S2.id])
    save_package(tmp_path, small_model(reads=info.reads), info)
    loaded: Package = load_package(tmp_path)
    assert loaded.info.bands == S2.band_names
    assert embed_chips(store, loaded, [0, 1]).embeddings.shape == (2, 32)
