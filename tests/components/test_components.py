"""The components: their interfaces are the specs' fields, and their folders are complete."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from earthenware import __version__
from earthenware.cli.specs import section_of
from earthenware.errors import EarthenwareError
from pipelines.readme import render_readme

FOLDER = Path(__file__).resolve().parents[2] / "components"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/component.py"))
WITH_SPEC = [name for name in NAMES if name not in ("merge", "gate")]


def component(name: str) -> Any:
    return getattr(importlib.import_module(f"components.{name}.component"), name)


def test_there_is_one_component_per_step() -> None:
    assert NAMES == ["build", "embed", "evaluate", "gate", "merge", "query", "report", "train", "validate"]


@pytest.mark.parametrize("name", NAMES)
def test_folder_is_complete_and_its_readme_current(name: str) -> None:
    metadata = yaml.safe_load((FOLDER / name / "metadata.yaml").read_text())
    assert metadata["name"] == name
    assert metadata["stability"] in {"alpha", "beta", "stable"}
    assert {"dependencies", "tags", "lastVerified"} <= set(metadata)
    assert (FOLDER / name / "README.md").read_text() == render_readme(name, FOLDER / name), "run 'make pipelines'"


@pytest.mark.parametrize("name", WITH_SPEC)
def test_parameters_are_the_fields_of_the_spec(name: str) -> None:
    inputs = component(name).component_spec.inputs
    for field, info in section_of("pretrain", name).model_fields.items():
        assert field in inputs, f"{name} lacks the parameter {field}"
        if not info.is_required():
            default = info.get_default()
            expected = ",".join(default) if isinstance(default, tuple) else default
            assert inputs[field].default == expected, field
        assert " ".join((inputs[field].description or "").split()).rstrip(".") == " ".join(
            (info.description or "").split()
        ).rstrip("."), field


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_not_told_to_install_anything(name: str) -> None:
    container = component(name).component_spec.implementation.container
    assert "pip install" not in " ".join([*container.command, *(container.args or [])])
    assert container.image.endswith(f":{__version__}")


def test_a_component_refuses_the_pipeline_of_another_version(tmp_path: Path) -> None:
    pointer = SimpleNamespace(path=str(tmp_path / "pointer"), metadata={})
    with pytest.raises(EarthenwareError, match=r"compiled by earthenware 0\.0\.1") as caught:
        component("gate").python_func(validation=pointer, root=str(tmp_path), package_version="0.0.1")
    assert caught.value.code == "VERSION_MISMATCH"


def test_a_component_says_when_its_input_is_no_pointer(tmp_path: Path) -> None:
    pointer = SimpleNamespace(path=str(tmp_path / "absent"), metadata={})
    with pytest.raises(EarthenwareError, match="is not a pointer") as caught:
        component("gate").python_func(validation=pointer, root=str(tmp_path), package_version=__version__)
    assert caught.value.code == "BAD_POINTER"
