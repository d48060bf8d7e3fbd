"""The Python function of each component, called directly: real artifacts, the real library, tiny data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from earthenware import __version__
from earthenware.errors import EarthenwareError
from earthenware.steps import read_manifest
from pipelines.__main__ import COMPONENTS
from tests.components.conftest import Bench
from tests.components.runs import BUILT, Ran, call, kind_of, write_pointer

SLOW = {"train"}
"""A Ray fit takes half a minute."""

POINTED = [
    pytest.param(name, marks=pytest.mark.system if name in SLOW else ()) for name in COMPONENTS if name != "gate"
]
READING = [name for name in COMPONENTS if any(kind_of(item) for item in BUILT[name].component_spec.inputs.values())]


def run(bench: Bench, name: str) -> Ran:
    return bench.ran("build-0" if name == "build" else name)


def made_of(ran: Ran, *kinds: Any) -> list[Any]:
    return [made for made in ran.artifacts.values() if type(made) in kinds]


@pytest.mark.parametrize("name", POINTED)
def test_it_hands_on_a_pointer_to_a_finished_step(bench: Bench, name: str) -> None:
    ran = run(bench, name)
    pointer = ran.pointer()
    manifest = read_manifest(pointer["uri"])
    assert pointer == {
        "schema_version": 1,
        "step": name,
        "uri": pointer["uri"],
        "digest": manifest.digest,
        "counts": manifest.counts,
    }
    assert re.search(rf"/root/{name}/[0-9a-f]{{12}}$", pointer["uri"])
    (artifact,) = made_of(ran, dsl.Artifact, dsl.Dataset, dsl.Model)
    expected = {"uri": pointer["uri"], "step": name, "digest": manifest.digest}
    assert artifact.metadata == expected | {key: str(value) for key, value in manifest.counts.items()}
    assert Path(artifact.path).stat().st_size < 4000, "a pointer, never the data"


@pytest.mark.parametrize("name", POINTED)
def test_it_logs_what_the_manifest_counts_and_measures(bench: Bench, name: str) -> None:
    ran = run(bench, name)
    for metrics in made_of(ran, dsl.Metrics):
        manifest = read_manifest(ran.pointer()["uri"])
        assert metrics.metadata == {**manifest.counts, **manifest.metrics}
        assert all(type(value) is float for value in metrics.metadata.values())


@pytest.mark.parametrize(("name", "kind"), [("query", "Markdown"), ("validate", "HTML"), ("evaluate", "HTML"),
                                             ("report", "HTML"), ("report", "Markdown")])  # fmt: skip
def test_its_page_is_small_and_asks_for_nothing(bench: Bench, name: str, kind: str) -> None:
    (page,) = made_of(run(bench, name), getattr(dsl, kind))
    text = Path(page.path).read_text(encoding="utf-8")
    assert 100 < len(text.encode()) < 1_000_000
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(["']?http""", text)
    assert ("</html>" in text) == (kind == "HTML")


def test_query_names_the_shards_and_never_more_than_there_are_scenes(bench: Bench, tmp_path: Path) -> None:
    assert [share["shard"] for share in bench.ran("query").returned] == ["0/2", "1/2"]
    scenes = bench.ran("query").pointer()["counts"]["scenes"]
    ran = call("query", {}, tmp_path, shards=1000, query={"catalog": bench.catalog})
    assert [share["shard"] for share in ran.returned] == [f"{index}/{scenes}" for index in range(scenes)]
    assert {share["root"] for share in ran.returned} == {str(tmp_path / "root")}
    assert {json.loads(share["spec"])["shards"] for share in ran.returned} == {1000}


def test_merge_joins_what_the_shards_built(bench: Bench) -> None:
    counts = [bench.ran(f"build-{shard}").pointer()["counts"] for shard in (0, 1)]
    merged = bench.ran("merge").pointer()["counts"]
    assert merged["chips"] == sum(count["chips"] for count in counts) > 0
    assert merged["scenes"] == bench.ran("query").pointer()["counts"]["scenes"]


def test_gate_lets_good_data_pass_and_raises_on_a_bad_verdict(bench: Bench, tmp_path: Path) -> None:
    assert not bench.ran("gate").artifacts
    inputs, parameters = bench.given("validate")
    bad = call("validate", inputs, tmp_path, **parameters, min_chips_train=1000).pointer()["uri"]
    with pytest.raises(EarthenwareError) as caught:
        call("gate", {"validation": bad}, tmp_path / "gate")
    assert caught.value.code == "VALIDATION_FAILED"
    assert "train" in caught.value.message


@pytest.mark.parametrize("name", POINTED)
def test_done_before_it_does_nothing_and_hands_on_the_same(
    bench: Bench, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(bench, name)
    key = "build-0" if name == "build" else name
    inputs, parameters = bench.given(key)
    again = call(name, inputs, bench.folder / key, **parameters)
    assert again.pointer() == first.pointer()
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMPONENTS)
def test_another_version_is_refused(name: str, tmp_path: Path) -> None:
    spec = BUILT[name].component_spec
    lists = {key: [str(tmp_path)] for key, item in spec.inputs.items() if item.is_artifact_list}
    inputs = {key: str(tmp_path) for key, item in spec.inputs.items() if kind_of(item)} | lists
    with pytest.raises(EarthenwareError, match=r"was compiled by earthenware 0\.0\.1, but .* is installed") as caught:
        call(name, inputs, tmp_path, version="0.0.1")
    assert caught.value.code == "VERSION_MISMATCH"
    assert "image" in caught.value.remedy
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("name", READING)
def test_what_is_no_pointer_is_refused(name: str, tmp_path: Path) -> None:
    spec = BUILT[name].component_spec
    path = write_pointer(tmp_path, "file:///somewhere")
    Path(path).write_text("PAR1 the data itself, not a pointer to it")
    given = {key: kind_of(item)(uri=path) for key, item in spec.inputs.items() if kind_of(item)}
    given |= {key: [given[key]] for key, item in spec.inputs.items() if item.is_artifact_list}
    made = {key: kind_of(item)(uri=str(tmp_path / key)) for key, item in (spec.outputs or {}).items()}
    with pytest.raises(EarthenwareError, match="is not a pointer to a step's output") as caught:
        BUILT[name].python_func(**given, **made, root=str(tmp_path / "root"), package_version=__version__)
    assert caught.value.code == "BAD_POINTER"
    assert path in caught.value.message


def test_a_parameter_out_of_range_is_named(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EarthenwareError, match=r"^query: max_cloud = 400\.0: .*equal to 1") as caught:
        call("query", {}, tmp_path, catalog=bench.catalog, max_cloud=400.0)
    assert caught.value.code == "BAD_SPEC"
    assert capsys.readouterr().err.count("query: failed: ") == 1
