"""The README of each component, made from its interface and its metadata."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import yaml

__all__ = ["render_readme", "write_readmes"]


def render_readme(name: str, folder: Path) -> str:
    """Return the README of the component in ``folder``: what it does, its inputs, parameters and outputs."""
    component: Any = getattr(importlib.import_module(f"components.{name}.component"), name)
    spec = component.component_spec
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
    lines = [
        f"# {name}",
        "",
        (spec.description or "").strip(),
        "",
        f"Stability: {metadata['stability']}. Tags: {', '.join(metadata['tags'])}.",
    ]
    artifacts = {key: item for key, item in spec.inputs.items() if "." in item.type}
    parameters = {key: item for key, item in spec.inputs.items() if key not in artifacts}
    for title, items in (("Input artifacts", artifacts), ("Output artifacts", spec.outputs or {})):
        if items:
            lines += ["", f"## {title}", "", "| name | type | meaning |", "|---|---|---|"]
            lines += [f"| `{key}` | {_type(item)} | {_cell(item.description)} |" for key, item in items.items()]
    lines += ["", "## Parameters", "", "| name | type | default | meaning |", "|---|---|---|---|"]
    for key, item in parameters.items():
        default = f"`{item.default!r}`" if item.optional else "required"
        lines.append(f"| `{key}` | {_type(item)} | {default} | {_cell(item.description)} |")
    return "\n".join([*lines, "", "<!-- Made by 'make pipelines'. -->", ""])


def _type(item: Any) -> str:
    kind = item.type.removeprefix("system.").split("@")[0]
    return f"list of {kind}" if getattr(item, "is_artifact_list", False) else kind


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def write_readmes(folder: Path) -> list[Path]:
    """Write the README of every component below ``folder`` and return their paths."""
    paths = []
    for metadata in sorted(folder.glob("*/metadata.yaml")):
        path = metadata.parent / "README.md"
        path.write_text(render_readme(metadata.parent.name, metadata.parent), encoding="utf-8")
        paths.append(path)
    return paths
