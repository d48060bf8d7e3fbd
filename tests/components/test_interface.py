"""The components' interfaces are what the graph says of the steps; their containers hold an image and a call."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from earthenware import __version__
from earthenware.graph import STEPS
from pipelines.__main__ import COMPONENTS, ROOT, compile_components
from tests.components.runs import BUILT, kind_of


def test_there_is_one_component_per_step() -> None:
    assert sorted(COMPONENTS) == sorted(STEPS)


@pytest.mark.parametrize("name", COMPONENTS)
def test_artifacts_are_those_of_the_step(name: str) -> None:
    spec, step = BUILT[name].component_spec, STEPS[name]
    for sides, ours in ((spec.inputs, step.inputs), (spec.outputs or {}, step.outputs)):
        found = {key: item for key, item in sides.items() if kind_of(item)}
        assert list(found) == [item.name for item in ours]
        for item in ours:
            assert kind_of(found[item.name]).__name__ == item.type
            assert bool(found[item.name].is_artifact_list) == item.many
            assert item.description in found[item.name].description
    assert spec.description == step.summary


@pytest.mark.parametrize("name", COMPONENTS)
def test_parameters_are_root_version_and_the_spec_as_text(name: str) -> None:
    inputs, step = BUILT[name].component_spec.inputs, STEPS[name]
    parameters = {key: item.default for key, item in inputs.items() if not kind_of(item)}
    wanted = {"root": None, "package_version": None}
    wanted |= {"spec": ""} if step.spec or step.divides else {}
    wanted |= {"shard": ""} if step.shard else {}
    assert parameters == wanted


@pytest.mark.parametrize("name", COMPONENTS)
def test_all_that_goes_in_and_out_is_described_in_one_line(name: str) -> None:
    spec = BUILT[name].component_spec
    for key, item in {**spec.inputs, **(spec.outputs or {})}.items():
        assert len(item.description) > 8, key
        assert "\n" not in item.description, key


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_body_runs_its_step_and_imports_nothing_else_of_the_library(name: str) -> None:
    path = ROOT / "components" / name / "component.py"
    (function,) = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))
    imported = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["from earthenware.graph import run_component"]
    calls = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Call)]
    assert [call for call in calls if call.startswith("run_component")] == [f"run_component('{name}', **given)"]
    assert len(path.read_text().splitlines()) < 25


def test_a_component_holds_no_resource_no_secret_and_no_installation(tmp_path: Path) -> None:
    for path in compile_components(tmp_path):
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        assert len(documents) == 1, f"{path.name} has a platform configuration"
        for executor in documents[0]["deploymentSpec"]["executors"].values():
            assert set(executor) == {"container"}
            assert set(executor["container"]) == {"args", "command", "image"}, "no env, no resources"
            assert executor["container"]["image"] == f"ghcr.io/earthenware/earthenware-python:{__version__}"
            assert "pip install" not in " ".join(executor["container"]["command"])
