"""The folders of components and pipelines are as Kubeflow's repository of components asks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from kfp import compiler
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from earthenware import __version__
from pipelines.__main__ import COMPONENTS, PIPELINES, ROOT, compile_components
from pipelines.readme import load, render_index, render_package, render_readme

FOLDERS = [*(ROOT / "components" / name for name in COMPONENTS), *(ROOT / "pipelines" / name for name in PIPELINES)]
MAIN = "https://github.com/earthenware/earthenware/tree/main/"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Dependency(Strict):
    name: Annotated[str, Field(min_length=2)]
    version: Annotated[str, Field(pattern=r"^(==|>=|<=|~=)?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]


class Dependencies(Strict):
    kubeflow: Annotated[list[Dependency], Field(min_length=1)]
    external_services: Annotated[list[Dependency], Field(min_length=1)] | None = None


class Links(Strict):
    source_code: HttpUrl
    documentation: HttpUrl
    issue_tracker: HttpUrl


class Metadata(Strict):
    """What ``metadata.yaml`` holds: the fields of the convention's own schema, with tags and links required."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    stability: Literal["alpha", "beta", "stable"]
    dependencies: Dependencies
    tags: Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]], Field(min_length=1)]
    last_verified: Annotated[AwareDatetime, Field(alias="lastVerified")]
    links: Links


class Owners(Strict):
    approvers: Annotated[list[str], Field(min_length=1)]
    reviewers: Annotated[list[str], Field(min_length=1)]


@pytest.fixture(params=FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_file_is_there(folder: Path) -> None:
    main = "component.py" if folder.parent.name == "components" else "pipeline.py"
    assert {"__init__.py", main, "metadata.yaml", "OWNERS", "README.md"} <= {path.name for path in folder.iterdir()}
    assert load(folder).component_spec.name.removeprefix("earthenware-") == folder.name
    assert (folder / "__init__.py").read_text(encoding="utf-8") == render_package(folder), "run 'make pipelines'"


def test_the_metadata_meets_the_schema(folder: Path) -> None:
    metadata = Metadata.model_validate(_yaml(folder / "metadata.yaml"))
    assert metadata.name == folder.name
    assert "Pipelines" in [item.name for item in metadata.dependencies.kubeflow]
    assert metadata.tags == sorted(set(metadata.tags))
    assert datetime(2026, 11, 1, tzinfo=UTC) <= metadata.last_verified <= datetime.now(UTC), "a day that has been"
    path = str(metadata.links.source_code).removeprefix(MAIN)
    assert ROOT / path == folder
    document = str(metadata.links.documentation).partition("/blob/main/")[2]
    assert (ROOT / document).is_file(), "the page that it links to is part of this repository"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("stability",), "mature"),
        (("maturity",), "alpha"),
        (("dependencies", "kubeflow"), []),
        (("dependencies", "kubeflow", 0, "version"), ">=2.17"),
        (("dependencies", "kubeflow", 0, "since"), "2026"),
        (("dependencies", "services"), []),
        (("tags",), []),
        (("lastVerified",), "2026-02-30T00:00:00Z"),
        (("links", "issue_tracker"), "the usual place"),
        (("links",), None),
    ],
)
def test_a_metadata_file_with_a_mistake_is_refused(path: tuple[Any, ...], value: Any) -> None:
    values = _yaml(ROOT / "components" / "build" / "metadata.yaml")
    Metadata.model_validate(values)
    place = values
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        Metadata.model_validate(values)


def test_the_owners_are_teams(folder: Path) -> None:
    owners = Owners.model_validate(_yaml(folder / "OWNERS"))
    for name in owners.approvers + owners.reviewers:
        organisation, _, team = name.partition("/")
        assert organisation == "earthenware", f"{name} is a person"
        assert team


def test_the_readme_is_current_and_complete(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == render_readme(folder), "run 'make pipelines'"
    wanted = [f"# {folder.name}", "## Overview", "## Inputs", "## Usage example", "## Metadata"]
    assert [line for line in text.splitlines() if line in wanted] == wanted
    for row in (line for line in text.splitlines() if line.startswith("| `")):
        assert len(row.rstrip(" |").rpartition("|")[2].strip()) > 8, f"no description: {row}"


def test_the_index_names_every_component() -> None:
    text = (ROOT / "components" / "README.md").read_text(encoding="utf-8")
    assert text == render_index(ROOT / "components"), "run 'make pipelines'"
    assert re.findall(r"^\| \[`(\w+)`\]", text, re.M) == list(COMPONENTS)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / "components" / link).is_file(), link


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("components")
    compile_components(folder)
    return folder


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_usage_example_of_the_readme_compiles(
    name: str, compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(compiled)
    text = (ROOT / "components" / name / "README.md").read_text(encoding="utf-8")
    program = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(compile(program, f"{name}.README", "exec", dont_inherit=True), names)
    compiler.Compiler().compile(names[f"{name}_alone"], str(tmp_path / "alone.yaml"))
    assert f"comp-{name}" in _yaml(tmp_path / "alone.yaml")["components"]


def test_the_example_of_the_documentation_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_components(tmp_path / "yaml")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    program = text.partition("```python\n")[2].partition("```")[0]
    exec(compile(program, "components.md", "exec", dont_inherit=True), {})
    pipeline, platform = yaml.safe_load_all((tmp_path / "embed_my_region.yaml").read_text(encoding="utf-8"))
    assert f'"{__version__}"' in program
    assert set(pipeline["root"]["inputDefinitions"]["parameters"]) == {"chips", "model", "root"}
    assert "earthenware-store" in str(platform)
