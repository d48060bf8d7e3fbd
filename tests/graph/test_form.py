"""The run form: what its entries mean, what wins, and what a run keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kfp import dsl

from earthenware import __version__, storage
from earthenware.errors import EarthenwareError
from earthenware.graph import (
    PIPELINES,
    arguments,
    configure,
    fields,
    form,
    load_spec,
    resolve,
    signature,
    spec_type,
    with_values,
)

PRETRAIN = PIPELINES["pretrain"]
DEFAULTS: dict[str, Any] = {entry.name: entry.default for entry in form(PRETRAIN)}


def resolved(**changed: Any) -> Any:
    return resolve(PRETRAIN, DEFAULTS | changed)


def test_an_empty_form_is_the_default_spec_below_the_clusters_root() -> None:
    assert resolved() == spec_type(PRETRAIN)(root="s3://mlpipeline/earthenware")


def test_what_is_left_at_its_default_leaves_the_spec_alone() -> None:
    spec = "root: s3://mine/x\nshards: 4\ntrain: {epochs: 3, seed: 2}\n"
    found = resolved(spec=spec)
    assert (found.root, found.shards, found.train.epochs, found.train.seed) == ("s3://mine/x", 4, 3, 2)


def test_an_entry_wins_over_the_spec_and_set_over_all() -> None:
    spec = "root: s3://mine/x\ntrain: {epochs: 3, seed: 2}\nbuild:\n"
    found = resolved(spec=spec, root="s3://other/y", train_epochs=5, build_chip_size=32, set="train.epochs=7 shards=2")
    assert (found.root, found.train.epochs, found.train.seed) == ("s3://other/y", 7, 2)
    assert (found.build.chip_size, found.shards) == (32, 2)


def test_set_takes_values_with_spaces() -> None:
    found = resolved(set="report.title='My page, one' query.sites=13TDE,31UFS")
    assert (found.report.title, found.query.sites) == ("My page, one", ("13TDE", "31UFS"))


def test_the_spec_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("train: {epochs: 3}\n")
    assert resolved(spec=str(tmp_path / "spec.yaml")).train.epochs == 3


@pytest.mark.parametrize(
    ("changed", "code", "told"),
    [
        ({"train_epochs": 0}, "BAD_SPEC", "train.epochs = 0"),
        ({"train_workers": 0}, "BAD_SPEC", "train.workers = 0"),
        ({"spec": "train: {epoch: 3}"}, "BAD_SPEC", "train.epoch is not a known field"),
        ({"spec": "train: 3", "train_epochs": 5}, "BAD_SPEC", "train = 3"),
        ({"spec": "train: {epochs: 3"}, "BAD_YAML", "spec"),
        ({"spec": "absent.yaml"}, "NO_SPEC", "absent.yaml"),
        ({"set": "train.epochs"}, "BAD_SET", "train.epochs"),
        ({"set": "report.title='open"}, "BAD_SET", "quotation"),
        ({"query_bbox": "1,2,3"}, "BAD_SPEC", "query.bbox"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], code: str, told: str) -> None:
    with pytest.raises(EarthenwareError) as caught:
        resolved(**changed)
    assert caught.value.code == code
    assert told in caught.value.message


VALUES = {
    "root": st.sampled_from(["s3://bucket/x", "s3://mlpipeline/earthenware", "/tmp/somewhere", "work"]),
    "shards": st.integers(1, 1000),
    "query.bbox": st.sampled_from(["", "5,49,6,50", "179,-1,-179,1"]),
    "query.seed": st.integers(0, 2**62),
    "query.sites": st.lists(st.from_regex(r"[0-9]{2}[A-Z]{3}", fullmatch=True), max_size=3).map(tuple),
    "train.epochs": st.integers(1, 99),
    "train.learning_rate": st.floats(1e-6, 1.0),
    "train.experiment": st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20),
    "report.title": st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_a_spec_that_fills_the_form_in_comes_out_of_it_again(values: dict[str, Any]) -> None:
    spec = with_values(load_spec("pretrain", None), values)
    given = arguments(PRETRAIN, spec)
    assert json.loads(json.dumps(given)) == given, "plain text and numbers"
    assert resolve(PRETRAIN, given) == spec


def test_a_spec_that_no_process_could_be_given_is_refused() -> None:
    sites = tuple(f"{number:07}" for number in range(20_000))
    with pytest.raises(EarthenwareError, match="too long for a run form") as caught:
        arguments(PRETRAIN, with_values(load_spec("pretrain", None), {"query.sites": sites}))
    assert caught.value.code == "BAD_SPEC"


@pytest.mark.parametrize("name", PIPELINES)
def test_the_form_is_short_typed_and_described(name: str) -> None:
    entries = list(form(PIPELINES[name]))
    assert len(entries) <= 17
    assert len([entry for entry in entries if entry.field is not None and entry.field.section]) <= 12
    kinds = {key: value.annotation for key, value in signature(PIPELINES[name]).parameters.items()}
    for entry in entries:
        assert kinds[entry.name] in (str, int, float, bool)
        if entry.field is not None and entry.field.info.annotation in (int, float, bool):
            assert kinds[entry.name] is entry.field.info.annotation, entry.name
        assert len(entry.description) > 8


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return storage.join(request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path), "work")


def run_configure(folder: Path, **changed: Any) -> tuple[Any, str]:
    shown = dsl.Markdown(name="shown", uri=str(folder / "shown"), metadata={})
    done = configure("pretrain", __version__, DEFAULTS | changed, shown)
    return done, Path(shown.path).read_text()


def test_the_run_keeps_its_whole_spec_once(root: str, tmp_path: Path) -> None:
    done, shown = run_configure(tmp_path, root=root, train_epochs=3)
    kept = yaml.safe_load(storage.read_bytes(done.spec))
    assert done.root == storage.normalise(root)
    assert (kept["root"], kept["train"]["epochs"]) == (root, 3)
    assert {f"{section}.{name}" for section, values in kept.items() if isinstance(values, dict) for name in values} == {
        field.path for field in fields(PRETRAIN) if field.section
    }
    assert shown == f"```yaml\n{storage.read_bytes(done.spec).decode()}```\n"
    assert run_configure(tmp_path, root=root, train_epochs=3)[0] == done
    other, _ = run_configure(tmp_path, root=root, train_epochs=4)
    assert sorted(storage.list_files(storage.join(root, "specs"))) == sorted(
        uri.rpartition("/")[2] for uri in (done.spec, other.spec)
    )


def test_a_wrong_form_is_reported_once_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EarthenwareError, match=r"train\.epochs = 0"):
        run_configure(tmp_path, root=str(tmp_path / "root"), train_epochs=0)
    assert capsys.readouterr().err.count("configure: failed: ") == 1
    assert not (tmp_path / "root").exists()


def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EarthenwareError) as caught:
        configure("pretrain", "0.0.1", DEFAULTS, None)
    assert caught.value.code == "VERSION_MISMATCH"
