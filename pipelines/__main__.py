"""Compile every pipeline to ``pipelines/compiled`` and write the READMEs, or compile each component by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from kfp import compiler

from earthenware.graph import PIPELINES as GRAPHS
from pipelines.readme import load, write_readmes

__all__ = ["COMPONENTS", "PIPELINES", "compile_components", "compile_pipelines", "main"]

ROOT = Path(__file__).resolve().parent.parent
PIPELINES = {name: load(Path(__file__).parent / name) for name in GRAPHS}
COMPONENTS = tuple(sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py")))
"""Names of the components."""


def compile_pipelines(folder: Path) -> list[Path]:
    """Write one YAML per pipeline into ``folder`` and return their paths."""
    return _compile(PIPELINES, folder, "{}.yaml")


def compile_components(folder: Path) -> list[Path]:
    """Write one YAML per component into ``folder``, for pipelines of other people's, and return their paths."""
    return _compile({name: load(ROOT / "components" / name) for name in COMPONENTS}, folder, "{}_component.yaml")


def _compile(made: Mapping[str, Any], folder: Path, names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, item in made.items():
        path = folder / names.format(name)
        compiler.Compiler().compile(item, str(path))
        paths.append(path)
    return paths


@click.command(help=__doc__)
@click.option(
    "--components",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write <name>_component.yaml of each component into this folder, and nothing else.",
)
def main(folder: Path | None) -> None:
    """Write the files and list them."""
    if folder is not None:
        paths = compile_components(folder)
    else:
        paths = [
            *compile_pipelines(ROOT / "pipelines" / "compiled"),
            *write_readmes(ROOT / "components", ROOT / "pipelines"),
        ]
    for path in paths:
        click.echo(path)


if __name__ == "__main__":
    main(prog_name="python -m pipelines")
