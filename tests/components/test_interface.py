"""The components' interfaces are the specs' fields; their containers hold an image, a call, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from earthenware import __version__
from earthenware.graph import STEPS
from pipelines.__main__ import COMPONENTS, compile_components
from tests.components.runs import BUILT

WITH_SPEC = [name for name in COMPONENTS if name not in ("merge", "gate")]


def test_there_is_one_component_per_step() -> None:
    assert COMPONENTS == ("build", "embed", "evaluate", "gate", "merge", "query", "report", "train", "validate")


@pytest.mark.parametrize("name", WITH_SPEC)
def test_parameters_are_the_fields_of_the_spec(name: str) -> None:
    inputs = BUILT[name].component_spec.inputs
    for field, info in STEPS[name].spec_type().model_fields.items():
        assert field in inputs, f"{name} lacks the parameter {field}"
        if not info.is_required():
            default = info.get_default()
            expected = ",".join(default) if isinstance(default, tuple) else default
            assert inputs[field].default == expected, field
        assert inputs[field].description.rstrip(".") == " ".join((info.description or "").split()).rstrip("."), field


@pytest.mark.parametrize("name", COMPONENTS)
def test_all_that_goes_in_and_out_is_described_in_one_line(name: str) -> None:
    spec = BUILT[name].component_spec
    for key, item in {**spec.inputs, **(spec.outputs or {})}.items():
        assert len(item.description) > 8, key
        assert "\n" not in item.description, key


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_body_calls_one_step_and_nothing_else_of_the_library(name: str) -> None:
    source = BUILT[name].component_spec.implementation.container.command[-1]
    assert len(re.findall(rf'with component\("{name}", root, package_version\)', source)) == 1
    assert len(re.findall(r"\brun\(", source)) == 1


def test_a_component_holds_no_resource_no_secret_and_no_installation(tmp_path: Path) -> None:
    for path in compile_components(tmp_path):
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        assert len(documents) == 1, f"{path.name} has a platform configuration"
        for executor in documents[0]["deploymentSpec"]["executors"].values():
            assert set(executor) == {"container"}
            assert set(executor["container"]) == {"args", "command", "image"}, "no env, no resources"
            assert executor["container"]["image"] == f"ghcr.io/earthenware/earthenware-python:{__version__}"
            assert "pip install" not in " ".join(executor["container"]["command"])
