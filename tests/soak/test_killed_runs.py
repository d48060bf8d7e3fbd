"""Whole runs, killed at random points and run again: every output is that of one undisturbed, and nothing stays."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from earthenware.graph import find_steps
from earthenware.steps import read_manifest
from tests.pipelines.runs import SMALL
from tests.small_run import Run
from tests.soak.trials import MADE, Ground, trials, unfinished


@trials("killed runs")
@pytest.mark.timeout(1800)
def test_a_killed_run_ends_like_one_undisturbed(finished: Run, ground: Ground, seed: int) -> None:
    """Killed are the command alone or all of its group; a third of the trials begin where the chips are made."""
    rng = random.Random(seed)
    root, spec = ground.folder / "root", ground.folder / "pretrain.yaml"
    spec.write_text(finished.spec.read_text().replace(str(finished.root), str(root)))
    arguments = ["run", "pretrain", "--spec", str(spec), *(part for value in SMALL for part in ("--set", value))]
    expected = {step: read_manifest(str(finished.output(step))) for step in MADE}
    seconds = {step: manifest.seconds["total"] for step, manifest in expected.items()}
    if seed % 3 == 0:
        for step in ("query", "build", "merge", "validate"):
            shutil.copytree(finished.root / step, root / step)
            del seconds[step]
    for _ in range(2):
        process = ground.start(arguments)
        try:
            process.wait(timeout=rng.uniform(0, sum(seconds.values())))
        except subprocess.TimeoutExpired:
            ground.kill(process, rng)
    code, said = ground.finish(ground.start(arguments))
    assert code == 0, said
    found = {one.step: one.manifest for one in find_steps(str(root)) if one.manifest}
    assert found.keys() == expected.keys()
    # The report tells how long the steps took.
    assert {step for step in expected if found[step].digest != expected[step].digest} <= {"report"}
    assert unfinished(str(root)) == []
    assert ground.left() == []
