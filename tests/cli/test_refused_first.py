"""What a later step would refuse is refused before any work, and by a dry run."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware import inference
from earthenware.cli._main import _call
from earthenware.errors import EarthenwareError
from earthenware.graph import PIPELINES, STEPS, SpecField, arguments, fields, load_spec, resolve, step_spec
from earthenware.processes import _limits
from earthenware.sandbox import SandboxSpec
from earthenware.steps import parse_spec

PRETRAIN = PIPELINES["pretrain"]


class Dry:
    """Calls ``earthenware run --dry-run`` on a small spec; gives exit code and what was said on standard error."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.spec = folder / "spec.yaml"
        (folder / "items.json").write_text('{"type": "FeatureCollection", "features": []}')
        self.spec.write_text(f"root: {folder}/run\nquery: {{catalog: {folder}/items.json}}\ntrain: {{workers: 1}}\n")
        self._before = self._files()

    def _files(self) -> set[Path]:
        return set(self.folder.rglob("*"))

    def __call__(self, *assignments: str, pipeline: str = "pretrain", dry: bool = True) -> tuple[int, str]:
        values = [part for one in assignments for part in ("--set", one)]
        code = _call(["run", pipeline, "--spec", str(self.spec), *values, *(["--dry-run"] if dry else [])])
        said = self._capsys.readouterr()
        assert self._files() == self._before, "something was written"
        return code, said.err


@pytest.fixture
def dry(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Dry:
    monkeypatch.setattr(_limits, "memory_limit", lambda: (8 * 2**30, 0))
    for name in ("MLFLOW_TRACKING_URI", "EARTHENWARE_RAY_JOB", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return Dry(tmp_path, capsys)


REFUSED: list[tuple[str, str]] = [
    # What one step says of another's input.
    ("embed.splits=foo", "embed: splits: no chip will be in the split 'foo'; there will be train, validation"),
    ("embed.splits=test", "no chip will be in the split 'test'"),
    ("embed.splits=validation query.validation_percent=0", "no chip will be in the split 'validation'"),
    ("train.patch_size=7", "train: patch_size is 7 pixels, which does not divide the chips' 64"),
    ("build.chip_size=40", "patch_size is 16 pixels, which does not divide the chips' 40"),
    ("build.sensors=landsat-c2-l2", "build: sensors: the scenes have no landsat-c2-l2"),
    ("query.sensors=sentinel-2-l2a build.sensors=sentinel-2-l2a,land-cover", "the scenes have no land-cover"),
    ("train.sensors=sentinel-1-grd", "train: sensors: the chips have none of them"),
    ("build.sensors=sentinel-2-l2a train.sensors=cop-dem-glo-30", "the chips have none of them"),
    ("validate.fail=test_chips validate.min_chips_test=9", "test_chips is never met"),
    ("validate.fail=validation_chips query.validation_percent=0", "validation_chips is never met"),
    ("build.shard=1/4", "build.shard is for the step alone"),
    # What fields of one step say of each other.
    ("train.workers=3 train.batch_size=2", "each of 3 workers needs a chip of every batch"),
    ("train.device=mps train.workers=2", "one worker can use"),
    ("query.validation_percent=60 query.test_percent=50", "110 together"),
    ("validate.earliest=2024-01-01 validate.latest=2023-01-01", "comes before earliest"),
    ("validate.fail=chip_id_unique validate.warn=chip_id_unique", "cannot be in both"),
    ("build.sensors=sentinel-2-l2a,sentinel-1-rtc,sentinel-1-rtc", "each sensor once"),
    ("build.sensors=sentinel-1-rtc", "exactly one base sensor"),
    # What this machine lacks.
    ("train.workers=1000 train.batch_size=1000", "train: workers = 1000: the 8.0 GiB of memory here hold at most 32"),
    ("build.workers=200", "build: workers = 200: the 8.0 GiB"),
    ("evaluate.device=mps", "evaluate: The device 'mps' is not there"),
    ("embed.device=mps", "embed: The device 'mps' is not there"),
    ("train.device=mps", "train: The device 'mps' is not there"),
    # Addresses.
    ("train.tracking_uri=ftp://x", 'train.tracking_uri = "ftp://x": give the http:// address'),
    ("train.tracking_uri=nonsense", "give the http:// address"),
    ("train.tracking_uri=http://", "give the http:// address"),
    ("train.tracking_uri=sqlite://", "give the http:// address"),
    ("train.tracking_uri=sqlite:///", "give the http:// address"),
    ("root=s3://bucket/x", "train: 's3://bucket/x' cannot hold a tracking database"),
    ("root=http://x/y", 'root = "http://x/y": a web address can only be read'),
    ("root=ftp://x/y", "scheme that is not supported"),
    ("root=s3://", "names no bucket"),
    ("root=s3://key:secret@bucket/x", "holds credentials"),
    ("root=file://elsewhere/x", "names the host 'elsewhere'"),
    ("root=", "root"),
    ("query.catalog=ftp://x", "scheme that is not supported"),
    ("query.catalog=https://", "names no host"),
    ("query.catalog=http://[", "no web address"),
    ("query.catalog=http://host:99999/stac", "no web address"),
    ("query.catalog=https://example.org/stac", "query: bbox and datetime must be given"),
    ("query.catalog=https://example.org/stac query.bbox=1,2,3,4", "query: datetime must be given"),
    # Names that are looked up later.
    ("train.family=forest", "no model family 'forest'"),
    ("train.preset=huge", "not 'huge'"),
    ("train.sensors=sentinel-9", "no sensor 'sentinel-9'"),
    ("train.device=gpu", "train.device"),
    ("train.model_name=a/b", "MLflow takes no such name"),
    ("train.model_name=it's", "MLflow takes no such name"),
    ("train.model_name=..", "MLflow takes no such name"),
    ("train.experiment=", "1 to 250 characters"),
    ("validate.fail=chipid_unique", "no expectation is called chipid_unique"),
    ("query.sensors=sentinel-9", "no sensor 'sentinel-9'"),
    ("query.collections=sentinel-9=x", "no sensor 'sentinel-9'"),
    ("embed.license=a/b", "embed.license"),
    ("embed.product_id=-x", "embed.product_id"),
    # Values that no step can compute with.
    ("train.epochs=true", "neither true nor false"),
    ("shards=true", "neither true nor false"),
    ("train.epochs=99999999999999999999", "train.epochs"),
    ("train.learning_rate=1e9", "train.learning_rate"),
    ("build.timeout=99999999999", "build.timeout"),
    ("report.seed=9223372036854775808", "report.seed"),
    ("validate.earliest=", "no ISO 8601 date"),
    ("validate.earliest=0001-01-01T00:00:00+14:00", "the year must lie"),
    ("query.datetime=0001-01-01T00:00:00+14:00", "not a date"),
    ("query.datetime=9999-12-31T23:59:59-14:00", "not a date"),
]


@pytest.mark.parametrize(("assignments", "words"), REFUSED, ids=[one for one, _ in REFUSED])
def test_it_is_refused_before_any_work(assignments: str, words: str, dry: Dry) -> None:
    code, said = dry(*assignments.split())
    assert code == 2
    assert words in said
    assert said.startswith("Error [")
    assert said.count("Error") == 1
    assert "Traceback" not in said
    assert "%7B" not in said
    assert "secret" not in said


@pytest.mark.parametrize("assignments", ["embed.splits=foo", "evaluate.device=mps", "root=s3://bucket/x"])
def test_a_run_refuses_what_its_dry_run_does(assignments: str, dry: Dry) -> None:
    assert dry(assignments, dry=False) == dry(assignments)


@pytest.mark.parametrize(
    "assignments",
    [
        "embed.splits=validation,train",
        "embed.splits=test query.test_percent=10",
        "train.patch_size=8 build.chip_size=40",
        "query.sensors=landsat-c2-l2 train.sensors=landsat-c2-l2",
        "train.sensors=sentinel-2-l2a,sentinel-1-grd",
        "validate.fail=test_chips",
        "root=s3://bucket/x train.tracking_uri=off",
        "train.tracking_uri=https://user:secret@host:5000/mlflow",
        "train.tracking_uri=postgresql+psycopg2://user@host/db",
        "train.tracking_uri=sqlite:////data/mlflow.db",
        "train.experiment=/Users/me/earth",
        "train.epochs=3.0",
    ],
)
def test_what_every_step_takes_is_taken(assignments: str, dry: Dry) -> None:
    if "s3://" in assignments:
        load_spec("pretrain", str(dry.spec), assignments.split())
        return
    assert dry(*assignments.split()) == (0, "")


def test_a_step_alone_refuses_what_this_machine_lacks(dry: Dry, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(dry.folder / "out")
    shutil.copyfile(dry.folder / "items.json", dry.folder / "scenes.parquet")
    scenes = str(dry.folder / "scenes.parquet")
    for extra in ([], ["--dry-run"]):
        code = _call(["build", "--scenes", scenes, "--output", out, "--set", "workers=200", *extra])
        assert code == 2
        assert "workers = 200: the 8.0 GiB" in capsys.readouterr().err
    code = _call(["query", "--set", "catalog=https://example.org/stac", "--output", out, "--dry-run"])
    assert code == 2
    assert "bbox and datetime must be given" in capsys.readouterr().err
    assert not Path(out).exists()


def test_a_cluster_trains_with_more_workers_than_this_machine_holds(dry: Dry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray-head:6379")
    assert dry("train.workers=1000", "train.batch_size=1000") == (0, "")


def test_a_tracking_store_of_the_environment_is_looked_at_too(dry: Dry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://user:secret@host/x")
    code, said = dry()
    assert code == 2
    assert "train: MLFLOW_TRACKING_URI = ftp://host/x" in said


def test_a_dry_run_fails_as_the_run_would(dry: Dry) -> None:
    code, said = dry(f"query.catalog={dry.folder}/absent.json")
    assert code == 3
    assert said.startswith("Error [CATALOG_UNREACHABLE] query: There is no ItemCollection file")


def test_known_fields_are_told_once_and_as_they_are_written(dry: Dry) -> None:
    code, said = dry("train.epoch=1", "train.epohcs=2", "validat.seed=3", "validate.sed=4")
    assert code == 2
    assert said.count("epochs, batch_size") == 1
    assert "train.epohcs is not a known field" in said
    assert "(known: max_chips, seed" in said
    assert "build, validate, train" in said
    assert "validate_" not in said


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_device_that_any_machine_has_costs_no_time(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earthenware.inference._device.resolve_device", lambda name: pytest.fail(name))
    inference.require_device(device)


SPECS: dict[str, Any] = {step.name: step.spec_type() for step in STEPS.values() if step.spec} | {"sandbox": SandboxSpec}
NUMBERS = [
    (section, name)
    for section, model in SPECS.items()
    for name, field in model.model_fields.items()
    if field.annotation in (int, float)
]


@pytest.mark.parametrize(("section", "name"), NUMBERS, ids=[f"{section}.{name}" for section, name in NUMBERS])
def test_no_number_is_a_truth_or_endless(section: str, name: str) -> None:
    for value in (True, False, math.nan, math.inf, -math.inf, 10**30, -(10**30), "nan", "inf"):
        with pytest.raises(EarthenwareError, match=name) as caught:
            parse_spec(SPECS[section], {name: value})
        assert caught.value.code == "BAD_SPEC"


def values_of(field: SpecField) -> st.SearchStrategy[Any]:
    """Values for a field, as a person may write them: near its limits, of other types, texts of all kinds."""
    numbers = st.one_of(
        st.integers(), st.floats(), st.integers(-2, 3000), st.floats(0, 1), st.sampled_from([2**31, 2**63, 1e-9])
    )
    words = ["auto", "cuda", "off", "keep", "train", "..", "s3://b/x", "http://x", "2021", "1,2,3,4", "sentinel-2-l2a"]
    texts = st.one_of(st.sampled_from(words), st.text(st.characters(codec="utf-8"), max_size=20))
    given = st.one_of(numbers, texts, st.booleans(), st.none(), st.lists(texts, max_size=2))
    default = st.just(field.default) if field.default is not None else st.nothing()
    choices = [one for one in get_args(field.info.annotation) if isinstance(one, str)]
    return st.one_of(given, default, st.sampled_from(choices) if choices else st.nothing())


@settings(max_examples=300)
@given(data=st.data())
def test_what_a_dry_run_takes_each_step_takes(data: st.DataObject) -> None:
    """Also after it went through a run form, as it does on its way to the steps."""
    field = data.draw(st.sampled_from([one for one in fields(PRETRAIN) if one.path != "root"]), label="field")
    value = data.draw(values_of(field), label="value")
    section = {field.name: value}
    refused = None
    try:
        spec = load_spec("pretrain", {field.section: section} if field.section else section)
    except EarthenwareError as error:
        refused = error
    if refused is not None:
        assert refused.code == "BAD_SPEC"
        assert "\n" not in str(refused)
        return
    again = resolve(PRETRAIN, arguments(PRETRAIN, spec))
    assert again == spec
    if field.section:
        step = STEPS[field.section]
        assert step_spec(step, {step.name: section}, (), "spec") == spec.section(step.name)
