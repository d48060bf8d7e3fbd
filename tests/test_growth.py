"""What growth costs: a throw-away step, pipeline and field in a copy of the tree, and what follows of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
STEP = '''
from typing import Any

from pydantic import Field

from earthenware.steps import Attempt, Result, Spec, StepReport, marks, run_step


class StampSpec(Spec):
    """What a stamp says."""

    word: str = Field("clay", description="Word that is stamped", json_schema_extra=marks(form=True))


def stamp(spec: StampSpec, output: str) -> StepReport:
    """Write a word."""

    def body(attempt: Attempt) -> Result:
        attempt.put("summary.json", b'{"rows": [{"name": "stamped", "value": "' + spec.word.encode() + b'"}]}')
        return Result({"letters": len(spec.word)})

    return run_step("stamp", 1, spec=spec, inputs={}, output=output, body=body)
'''
COMPONENT = '''"""The component ``stamp``."""

from kfp import dsl

from components.base import step_component


@step_component
def stamp(mark: dsl.Output[dsl.Artifact], root: str, package_version: str, spec: str = "") -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("stamp", **given)
'''
ENTRY = """    Step(
        "stamp",
        "earthenware.stamp:stamp",
        "earthenware.stamp:StampSpec",
        "Stamp a word on clay.",
        outputs=(Artifact("mark", "Artifact", "Pointer to the mark"),),
    ),
)

CONFIGURE"""


@dataclass
class Tree:
    """A copy of the sources, in which every file that is written by hand is counted."""

    folder: Path
    by_hand: set[str] = field(default_factory=set)

    def write(self, path: str, text: str) -> None:
        self.by_hand.add(path)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{old} stands {text.count(old)} times in {path}"
        self.write(path, text.replace(old, new))

    def describe(self, kind: str, name: str) -> None:
        """Write what Kubeflow's conventions want beside: owners and metadata."""
        source = self.folder / kind / {"components": "gate", "pipelines": "cubes"}[kind]
        for file in ("OWNERS", "metadata.yaml"):
            text = (source / file).read_text().replace(source.name, name)
            (self.folder / kind / name / file).write_text(text)

    def python(self, *arguments: str) -> str:
        env = {**os.environ, "PYTHONPATH": f"{self.folder / 'src'}{os.pathsep}{self.folder}", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def earthenware(self, *arguments: str) -> str:
        return self.python("earthenware", *arguments)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in ("src", "components", "pipelines"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignore)
    yield Tree(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_step_and_a_pipeline(tree: Tree) -> None:
    """A step costs its function with its spec, its component and one entry; a pipeline one entry and its folder."""
    tree.write("src/earthenware/stamp.py", STEP)
    tree.write("components/stamp/component.py", COMPONENT)
    tree.describe("components", "stamp")
    tree.change("src/earthenware/graph/_steps.py", ")\n\nCONFIGURE", ENTRY)
    assert len(tree.by_hand) == 3
    tree.by_hand.clear()
    graph = 'Pipeline("stamped", "Stamp a word.", (task("stamp"),)),\n)\n\nPIPELINES'
    tree.change("src/earthenware/graph/_pipelines.py", ")\n\nPIPELINES", f"    {graph}")
    made = (tree.folder / "pipelines" / "cubes" / "pipeline.py").read_text()
    tree.write("pipelines/stamped/pipeline.py", made.replace("cubes", "stamped"))
    tree.describe("pipelines", "stamped")
    assert len(tree.by_hand) == 2

    tree.python("pipelines")
    assert "Stamp a word on clay. | cpu |" in (tree.folder / "components" / "README.md").read_text()
    page = (tree.folder / "pipelines" / "stamped" / "README.md").read_text()
    assert "| `stamp_word` | str | `'clay'` | Word that is stamped. |" in page
    assert "stamp" in tree.earthenware("--help").partition("Steps:")[2]
    assert 'word = "clay"' in tree.earthenware("stamp", "--help")
    tree.earthenware("init", "--pipeline", "stamped", "--root", "root")
    assert yaml.safe_load((tree.folder / "stamped.yaml").read_text()) == {"root": "root", "stamp": {"word": "clay"}}
    given = ("stamped", "--spec", "stamped.yaml", "--set", "stamp.word=earth")
    assert "stamp would run into" in tree.earthenware("run", *given, "--dry-run")
    said = tree.earthenware("run", *given)
    assert "stamp: done in" in said
    assert "earth" in said.partition("stamped")[2], "the row of the closing table"
    assert "stamp is done (5 letters)." in tree.earthenware("run", *given, "--dry-run")
    assert "stamp     done" in tree.earthenware("status", "root")
    for profile in ("laptop", "cluster-cpu", "cluster-gpu"):
        assert "exec-stamp" in tree.earthenware("compile", "stamped", "--profile", profile)


def test_a_field(tree: Tree) -> None:
    """A field costs its line in the model: no component, no pipeline and no command repeats it."""
    before = {path: path.read_bytes() for path in sorted((tree.folder / "components").rglob("*")) if path.is_file()}
    chips = "    part_chips: int = Field("
    new = '    glaze: float = Field(default=0.5, ge=0, le=1, description="Gloss of a chip (0 to 1)")\n'
    tree.change("src/earthenware/datacube/_spec.py", chips, new + chips)
    assert len(tree.by_hand) == 1
    compiled = (tree.folder / "pipelines" / "compiled" / "pretrain.yaml").read_bytes()
    tree.python("pipelines")
    assert (tree.folder / "pipelines" / "compiled" / "pretrain.yaml").read_bytes() == compiled
    assert {path: path.read_bytes() for path in before} == before
    assert "glaze = 0.5" in tree.earthenware("build", "--help")
    (tree.folder / "none.json").write_text('{"type": "FeatureCollection", "features": []}')
    tree.earthenware("init", "cubes.yaml", "--pipeline", "cubes", "--catalog", "none.json")
    text = (tree.folder / "cubes.yaml").read_text()
    assert "  # Gloss of a chip (0 to 1)\n  glaze: 0.5\n" in text
    told = tree.earthenware("run", "cubes", "--spec", "cubes.yaml", "--set", "build.glaze=0.25", "--dry-run")
    assert "build would run after query." in told
    (tree.folder / "src" / "earthenware" / "datacube" / "_spec.py").write_bytes(
        (ROOT / "src" / "earthenware" / "datacube" / "_spec.py").read_bytes()
    )
    with pytest.raises(AssertionError, match="glaze is not a known field"):
        tree.earthenware("run", "cubes", "--spec", "cubes.yaml", "--dry-run")
