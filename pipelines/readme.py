"""The README of each component and pipeline, made from its interface and its metadata as Kubeflow's conventions ask."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from earthenware.graph import KINDS
from pipelines.usage import is_artifact, usage

__all__ = ["load", "render_index", "render_package", "render_readme", "write_readmes"]

_TYPES = {
    "String": "str",
    "Integer": "int",
    "Float": "float",
    "Boolean": "bool",
    "List[Dict[String, String]]": "list[dict[str, str]]",
}
"""What people write in Python for the types of a pipeline's interface."""
_MADE = "<!-- Made by 'make pipelines'. -->"


def load(folder: Path) -> Any:
    """Return the component or pipeline that a folder holds, such as ``components/build``."""
    return getattr(importlib.import_module(_module(folder)), folder.name)


def _module(folder: Path) -> str:
    return f"{folder.parent.name}.{folder.name}.{folder.parent.name.removesuffix('s')}"


def render_package(folder: Path) -> str:
    """Return the ``__init__.py`` of the component or pipeline in ``folder``: it exports it."""
    kind, name = folder.parent.name.removesuffix("s"), folder.name
    return f'"""The {kind} ``{name}``."""\n\nfrom {_module(folder)} import {name}\n\n__all__ = ["{name}"]\n'


def render_readme(folder: Path) -> str:
    """Return the README of the component or pipeline in ``folder``."""
    made = load(folder)
    spec = made.component_spec
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
    lines = [f"# {folder.name}", ""]
    if metadata["stability"] != "stable":
        lines += [f"> Stability: {metadata['stability']}. The interface may change with a release.", ""]
    lines += ["## Overview", "", (spec.description or "").strip()]
    inputs = spec.inputs or {}
    rows = [(name, item, "required" if is_artifact(item) else _default(item)) for name, item in inputs.items()]
    rows.sort(key=lambda row: not is_artifact(row[1]))  # artifacts first, else as declared
    lines += ["", "## Inputs", "", "| Parameter | Type | Default | Description |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {_type(item)} | {default} | {_cell(item)} |" for name, item, default in rows]
    if spec.outputs:
        lines += ["", "## Outputs", "", "| Name | Type | Description |", "|---|---|---|"]
        lines += [f"| `{name}` | {_type(item)} | {_cell(item)} |" for name, item in spec.outputs.items()]
    lines += ["", "## Usage example", "", *usage(folder.parent.name, made)]
    lines += ["", "## Metadata", "", *_metadata(metadata, folder)]
    lines += ["", "## Additional resources", ""]
    lines += [f"- {key.replace('_', ' ').capitalize()}: <{link}>" for key, link in metadata["links"].items()]
    return "\n".join([*lines, "", _MADE, ""])


def _metadata(metadata: dict[str, Any], folder: Path) -> Iterable[str]:
    owners = yaml.safe_load((folder / "OWNERS").read_text(encoding="utf-8"))
    yield f"- Name: {metadata['name']}"
    yield f"- Stability: {metadata['stability']}"
    for title, key in (("Kubeflow", "kubeflow"), ("External services", "external_services")):
        found = [f"{item['name']} {item['version']}" for item in metadata["dependencies"].get(key, [])]
        if found:
            yield f"- {title}: {', '.join(found)}"
    yield f"- Tags: {', '.join(metadata['tags'])}"
    yield f"- Last verified: {metadata['lastVerified']:%Y-%m-%d}"
    yield f"- Approvers: {', '.join(owners['approvers'])}"


def _type(item: Any) -> str:
    kind = item.type.removeprefix("system.").split("@")[0]
    kind = _TYPES.get(kind, kind)
    return f"list[{kind}]" if getattr(item, "is_artifact_list", False) else kind


def _default(item: Any) -> str:
    return f"`{item.default!r}`" if item.optional else "required"


def _cell(item: Any) -> str:
    return " ".join((item.description or "").split()).replace("|", "\\|")


def render_index(root: Path) -> str:
    """Return the README of a folder of components: each with the first sentence of its overview."""
    lines = [f"# {root.name.capitalize()}", "", "| Name | What it does | Kind | Stability |", "|---|---|---|---|"]
    for path in _described(root):
        metadata = yaml.safe_load((path / "metadata.yaml").read_text(encoding="utf-8"))
        overview = load(path).component_spec.description.splitlines()[0]
        lines.append(
            f"| [`{path.name}`]({path.name}/README.md) | {overview} | {KINDS[path.name]} | {metadata['stability']} |"
        )
    return "\n".join([*lines, "", "How to use one alone: [docs/components.md](../docs/components.md).", "", _MADE, ""])


def _described(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/metadata.yaml"))


def write_readmes(components: Path, pipelines: Path) -> list[Path]:
    """Write the README and the package file of each component and pipeline, and the index; return the READMEs."""
    for path in (path for root in (components, pipelines) for path in _described(root)):
        (path / "__init__.py").write_text(render_package(path), encoding="utf-8")
    texts = {path: render_readme(path) for root in (components, pipelines) for path in _described(root)}
    texts[components] = render_index(components)
    for path, text in texts.items():
        (path / "README.md").write_text(text, encoding="utf-8")
    return [path / "README.md" for path in texts]
