"""Each component alone: compiled to its own YAML, loaded, and run by ``kfp.local`` in a process of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kfp import dsl
from kfp.components import load_component_from_file

from pipelines.__main__ import COMPONENTS, compile_components
from tests.components.conftest import Bench
from tests.components.runs import BUILT, run_alone

QUICK = ("query",)
"""The others take seconds each, or need what takes seconds; tests/pipelines runs them all, one after another."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    paths = compile_components(folder / "compiled")
    assert [path.name for path in paths] == [f"{name}_component.yaml" for name in COMPONENTS]
    return folder


@pytest.fixture(autouse=True)
def _no_runner_left() -> Iterator[None]:
    """Take the runner of ``kfp.local`` away again: every component called in this process would go to it."""
    from kfp.local.config import LocalExecutionConfig

    yield
    LocalExecutionConfig.instance = None


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_loaded_component_has_the_interface_and_every_description(compiled: Path, name: str) -> None:
    path = compiled / "compiled" / f"{name}_component.yaml"
    loaded, source = load_component_from_file(str(path)).component_spec, BUILT[name].component_spec
    root = yaml.safe_load(path.read_text(encoding="utf-8"))["root"]
    assert loaded.name == name
    assert loaded.description.startswith(source.description.splitlines()[0])
    sides = (("inputDefinitions", source.inputs, loaded.inputs), ("outputDefinitions", source.outputs, loaded.outputs))
    for side, ours, theirs in sides:
        assert set(ours or {}) == set(theirs or {})
        written = root.get(side, {})
        for key, item in (ours or {}).items():
            assert theirs[key].type == item.type.partition("[")[0], key
            assert getattr(theirs[key], "default", None) == getattr(item, "default", None), key
            # Kubeflow's loader forgets what is said of artifacts; the file, which the UI reads, does not.
            definition = written.get("artifacts", {}).get(key) or written["parameters"][key]
            assert definition["description"] == item.description, key


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.system) for name in COMPONENTS]
)
def test_it_runs_alone_and_hands_on_what_its_function_does(
    bench: Bench, compiled: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    key = "build-0" if name == "build" else name
    inputs, parameters = bench.given(key)
    ran = run_alone(name, inputs, compiled, **parameters)
    said = capfd.readouterr()
    assert re.search(rf"{name}: done in ", said.out + said.err), said.out[-3000:]
    expected = bench.ran(key)
    assert set(ran.artifacts) == set(expected.artifacts)
    shares = [{**share, "root": str(compiled / "root")} for share in expected.returned or []]
    assert (ran.returned or []) == shares
    for output, artifact in ran.artifacts.items():
        twin = expected.artifacts[output]
        assert type(artifact) is type(twin)
        if type(artifact) in (dsl.Dataset, dsl.Model, dsl.Artifact):
            pointer, other = ran.pointer(), expected.pointer()
            assert pointer["uri"].startswith(str(compiled / "root")), "in its own root, not found done"
            assert {**pointer, "uri": ""} == {**other, "uri": ""}, "the same digest in another process"
            assert artifact.metadata["digest"] == pointer["digest"]
        elif isinstance(artifact, dsl.Metrics):
            assert set(artifact.metadata) == set(twin.metadata)
        else:
            assert 0 < Path(artifact.path).stat().st_size < 1_000_000
