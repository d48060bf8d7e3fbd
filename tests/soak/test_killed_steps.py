"""Every step, killed at a random point and run again at once: its end is that of one undisturbed, and nothing stays."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable

import pytest

from earthenware import storage
from earthenware.steps import read_manifest
from tests.small_run import Run
from tests.soak.trials import MADE, Again, Ground, trials, unfinished, wait_until


@trials("killed steps")
@pytest.mark.timeout(1800)
def test_a_killed_step_ends_like_one_undisturbed(
    finished: Run, ground: Ground, output: Callable[[str], str], seed: int
) -> None:
    """Most kills fall somewhere between the claim and the time that the step takes undisturbed, some before that.

    Some trials of training begin with no MLflow database, and are killed while it is made.
    """
    rng = random.Random(seed)
    step = MADE[seed % len(MADE)]
    again = Again.of(finished, step)
    where = output("s3" if rng.random() < 0.25 and step != "train" else "file")
    changes = {} if step != "train" or rng.random() < 0.5 else {"tracking_uri": "off"}
    for _ in range(rng.choice((1, 1, 2))):
        process = ground.start(again.arguments(where, ground.folder, **changes))
        if rng.random() < 0.8:
            wait_until(lambda: storage.exists(storage.join(where, "step.json")), process)
        try:
            process.wait(timeout=rng.uniform(0, again.seconds))
        except subprocess.TimeoutExpired:
            ground.kill(process, rng)
    code, said = ground.finish(ground.start(again.arguments(where, ground.folder, **changes)))
    assert code == 0, said
    assert read_manifest(where).digest == again.digest
    assert unfinished(where) == []
    assert ground.left() == []
