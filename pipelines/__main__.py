"""Compile every pipeline to ``pipelines/compiled`` and write the components' READMEs."""

from __future__ import annotations

import sys
from pathlib import Path

from kfp import compiler

from pipelines.pretrain import pretrain
from pipelines.readme import write_readmes

PIPELINES = {"pretrain": pretrain}


def compile_pipelines(folder: Path) -> list[Path]:
    """Write one YAML per pipeline into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, pipeline in PIPELINES.items():
        path = folder / f"{name}.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        paths.append(path)
    return paths


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    for path in [*compile_pipelines(here / "compiled"), *write_readmes(here.parent / "components")]:
        sys.stdout.write(f"{path}\n")
