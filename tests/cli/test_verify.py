"""One flipped bit, in whatever file: its reader refuses it or says the same as before, and ``verify`` names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.chips import ChipStore, merge_documents
from earthenware.cli._main import _call
from earthenware.embeddings import EmbedSpec, embed
from earthenware.errors import EarthenwareError
from earthenware.inference import load_package
from earthenware.products import EmbeddingProduct, StoreFigures, Verdict, package_uri, put_verdict, read_verdict
from earthenware.scenes import Scene, open_scenes, scenes_table
from earthenware.steps import Attempt, Manifest, Result, StepReport, artifact, lineage, read_manifest
from earthenware.testing import make_chips, make_model, run_small_step
from earthenware.training._checkpoint import SafetensorsCheckpoints, checkpoint_name

MOMENT = datetime(2023, 5, 1, 10, 20, tzinfo=UTC)
CHECKPOINT = f"checkpoints/{checkpoint_name(7)}"
VERDICT = Verdict(passed=True, failures=[], warnings=[], met=[], skipped=["a"], statistics=StoreFigures(chips=3))


@dataclass(frozen=True)
class Root:
    """A small root, every step's output by the step's name."""

    path: Path

    def __getitem__(self, step: str) -> str:
        return str(self.path / step)


def put_scenes(attempt: Attempt) -> Result:
    grid = GeoBox((64, 64), Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32633")
    shape = shapely.box(15, 44, 16, 46)
    scene = Scene("a", "site", MOMENT, shape, grid, {"sentinel-2-l2a": ()}, catalog="c", split="train", withheld=())
    attempt.put_table("scenes.parquet", scenes_table([scene], ["sentinel-2-l2a"]))
    return Result({"scenes": 1})


def put_verdict_of(attempt: Attempt) -> Result:
    put_verdict(attempt, VERDICT)
    return Result({"expectations": 1}, details={"passed": True})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("root"))
    run_small_step("query", root["query"], put_scenes)
    built(root)

    def merged(attempt: Attempt) -> Result:
        attempt.put_json("store.json", merge_documents([root["build"]], attempt.output).to_json())
        return Result({"parts": 2})

    run_small_step("merge", root["merge"], merged, inputs={"shards": root["build"]})
    run_small_step("validate", root["validate"], put_verdict_of, inputs={"chips": root["build"]})
    make_model(root["build"], root["train"], sensors=["cop-dem-glo-30"])
    SafetensorsCheckpoints().save_checkpoint(checkpoint(), storage.join(root["train"], CHECKPOINT))
    embed(EmbedSpec(thumbnails=False), root["build"], root["train"], root["embed"])
    make_chips(sites=1, chips=2, size=16).write(root["bare"])
    return root


def built(root: Root) -> StepReport:
    return make_chips(sites=2, chips=3, size=16).build(root["build"], parts=2)


def checkpoint() -> dict[str, Any]:
    import torch

    weights = {"weight": torch.arange(40, dtype=torch.float32).reshape(5, 8), "step": torch.tensor(3)}
    return {"epoch": 2, "state": weights, "rate": 0.125, "earthenware": {"history": [{"epoch": 1, "loss": 0.5}]}}


def pixels(root: Root) -> Any:
    store = ChipStore.open(root["build"])
    found = store.read_batch(list(store.sensors), range(len(store)))
    return [(name, pair.pixels.tobytes(), pair.mask.tobytes()) for name, pair in found.items()]


def product(root: Root) -> Any:
    return repr(EmbeddingProduct.open(root["embed"]).table.to_pylist())


def said(manifest: Manifest) -> dict[str, Any]:
    return manifest.model_dump(exclude={"checksum"})


def model(root: Root) -> Any:
    package = load_package(package_uri(root["train"]))
    weights = {name: tensor.numpy().tobytes() for name, tensor in package.model.state_dict().items()}
    return repr(package.info), package.hyperparameters, weights


STEPS = ("query", "build", "validate", "train", "embed")
KINDS: dict[str, tuple[str, Callable[[Root], Any]]] = {
    **{
        f"{step}'s manifest": (f"{step}/manifest.json", lambda root, step=step: said(read_manifest(root[step])))
        for step in STEPS
    },
    "manifest behind": ("build/manifest.json", lambda root: list(map(said, lineage(root["embed"]).values()))),
    "claim": ("build/step.json", lambda root: said(built(root).manifest)),
    "scenes": ("query/scenes.parquet", lambda root: repr(open_scenes(root["query"]).table.to_pylist())),
    "store": ("build/store.json", lambda root: repr(ChipStore.open(root["build"]).document)),
    "merged store": ("merge/store.json", lambda root: repr(ChipStore.open(root["merge"]).document)),
    "bare store": ("bare/store.json", lambda root: repr(ChipStore.open(root["bare"]).document)),
    "index": ("build/parts/*/*/chips.parquet", lambda root: repr(ChipStore.open(root["build"]).index.to_pylist())),
    "pixels": ("build/parts/*/*/pixels.zarr/sentinel-2-l2a/pixels/c/**/*", pixels),
    "mask": ("build/parts/*/*/pixels.zarr/sentinel-2-l2a/mask/c/**/*", pixels),
    "array": ("build/parts/*/*/pixels.zarr/sentinel-2-l2a/pixels/zarr.json", pixels),
    "verdict": ("validate/verdict.json", lambda root: read_verdict(root["validate"])),
    "model": ("train/model/model.json", model),
    "weights": ("train/model/model.safetensors", model),
    "checkpoint": (
        f"train/{CHECKPOINT}",
        lambda root: repr(SafetensorsCheckpoints().load_checkpoint(storage.join(root["train"], CHECKPOINT))),
    ),
    "embeddings": ("embed/embeddings.parquet", product),
}


def first_file(folder: Path, pattern: str) -> Path:
    return next(path for path in sorted(folder.glob(pattern)) if path.is_file())


def flip(path: Path, bit: int) -> bytes:
    """Flip one bit in place, under all names of the file, and return what it held."""
    whole = path.read_bytes()
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return whole


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_changes_nothing(root: Root, kind: str, data: st.DataObject) -> None:
    pattern, read = KINDS[kind]
    path = first_file(root.path, pattern)
    expected = read(root)
    whole = flip(path, data.draw(st.integers(0, 8 * path.stat().st_size - 1), "bit"))
    told = ""
    try:
        found = read(root)
    except EarthenwareError as error:
        told = error.message
    finally:
        path.write_bytes(whole)
    assert told or found == expected, "read as something else, without a word"
    assert "\n" not in told


def verified(root: Root, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """Return exit code, the sentences, and what goes to the terminal."""
    capsys.readouterr()
    code = _call(["verify", str(root.path)])
    told = capsys.readouterr()
    return code, told.out.splitlines(), told.err


def test_a_whole_root_has_no_defects(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    code, sentences, told = verified(root, capsys)
    assert (code, sentences) == (0, [])
    assert "found 0 defects" in told
    assert " MB" in told


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        *((pattern, 0.5) for kind, (pattern, _) in KINDS.items() if kind not in ("bare store", "claim")),
        ("build/parts/*/*/pixels.zarr/*/mask/c/**/*", 0.999),
        ("build/parts/*/*/pixels.zarr/zarr.json", 0.5),
        ("build/parts/*/*/pixels.zarr/sentinel-1-rtc/zarr.json", 0.5),
        *((f"{step}/step.json", where) for step in STEPS for where in (0.0, 0.2)),
        ("train/history.parquet", 0.5),
        ("embed/rejects.parquet", 0.5),
        ("embed/parts/*.json", 0.5),
        ("embed/parts/*/*/rows.parquet", 0.5),
    ],
)
def test_verify_names_the_file(root: Root, capsys: pytest.CaptureFixture[str], pattern: str, where: float) -> None:
    path = first_file(root.path, pattern)
    size = path.stat().st_size
    whole = flip(path, 8 * int(size * where) + 1)
    try:
        code, sentences, told = verified(root, capsys)
    finally:
        path.write_bytes(whole)
    assert code == 3
    assert "OUTPUT_DAMAGED" in told
    # Of a shard's index hangs every chip in it.
    assert len(sentences) == (3 if where == 0.999 else 1)
    what = "is damaged: " if pattern.startswith("build/parts/") else path.name
    assert all(what in one and str(root.path / pattern.partition("/")[0]) in one for one in sentences)


def test_a_missing_file_is_a_defect(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    files = [Path(artifact(root["train"], "history.parquet")), root.path / "train/history.parquet"]
    whole = files[0].read_bytes()
    try:
        for path in files:
            path.unlink()
        code, (sentence,), _ = verified(root, capsys)
    finally:
        for path in files:
            path.write_bytes(whole)
    assert code == 3
    assert sentence.endswith("history.parquet' is missing.")


def test_a_bare_store_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_chips(sites=1, chips=2, size=16).write(str(tmp_path / "store"))
    assert verified(Root(tmp_path / "store"), capsys)[0] == 0
    flip(first_file(tmp_path / "store", "parts/*/pixels.zarr/*/pixels/c/**/*"), 300)
    code, sentences, _ = verified(Root(tmp_path / "store"), capsys)
    assert code == 3
    assert len(sentences) == 1


def test_what_a_live_run_works_on_is_left_out(tmp_path: Path) -> None:
    codes = []

    def body(attempt: Attempt) -> Result:
        codes.append(_call(["verify", str(tmp_path)]))
        return Result({})

    run_small_step("query", str(tmp_path / "query"), body)
    assert codes == [0]


def test_where_there_is_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = verified(Root(tmp_path), capsys)
    assert code == 3
    assert "NO_ROOT" in told


def test_outputs_in_a_bucket(bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There a result has two copies: the step's own, and the one under the name that other software looks for."""
    output = storage.join(bucket, "root/build")
    make_chips(sites=1, chips=2, size=16).build(output)
    assert _call(["verify", storage.join(bucket, "root")]) == 0
    uri = storage.join(output, "store.json")
    storage.write_bytes(uri, storage.read_bytes(uri).replace(b"chip_size", b"chip_sizf"))
    assert len(ChipStore.open(output)) == 2, "its readers take the step's own"
    capsys.readouterr()
    assert _call(["verify", storage.join(bucket, "root")]) == 3
    assert capsys.readouterr().out == f"'{uri}' is not what its step wrote.\n"


def test_what_is_bare_opens_without_a_step(root: Root, tmp_path: Path) -> None:
    import shutil

    for step, names in (("build", ["store.json", "parts"]), ("train", ["model"]), ("embed", ["embeddings.parquet"])):
        for name in names:
            source = root.path / step / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            (tmp_path / step).mkdir(exist_ok=True)
            copy(source, tmp_path / step / name)
    bare = Root(tmp_path)
    assert pixels(bare) == pixels(root)
    assert load_package(tmp_path / "train/model").digest == load_package(package_uri(root["train"])).digest
    np.testing.assert_array_equal(
        EmbeddingProduct.open(bare["embed"]).embeddings, EmbeddingProduct.open(root["embed"]).embeddings
    )


def test_another_model_in_the_place_of_the_trained_one_is_refused(root: Root, tmp_path: Path) -> None:
    """It is whole by itself, and not the one that the training's manifest names."""
    import shutil

    model = shutil.copytree(root["train"], tmp_path / "train")
    other = make_model(root["build"], str(tmp_path / "other"), sensors=["sentinel-1-rtc"]).output
    for path in [path for path in model.rglob("*") if path.name.startswith("model.")]:
        path.write_bytes(Path(other, "model", path.name).read_bytes())
    with pytest.raises(EarthenwareError) as caught:
        embed(EmbedSpec(), root["build"], str(model), str(tmp_path / "embed"))
    assert caught.value.code in ("MODEL_CORRUPT", "OUTPUT_DAMAGED")
