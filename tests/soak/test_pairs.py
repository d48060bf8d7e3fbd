"""Two runs of one output at once: one does the work, and what the other asked for decides how that one ends."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from earthenware.steps import read_manifest
from tests.small_run import Run
from tests.soak.trials import MADE, Again, Ground, trials, unfinished, wait_until

AT_ONCE = """
import sys
from earthenware.cli import main
from earthenware.graph import STEPS
STEPS[sys.argv[1]].load()
print("ready", flush=True)
sys.stdin.read(1)
main()
"""
"""The command, which does all that it does first, and then waits for its start."""

OTHER = {"reject_limit": 0.7, "seed": 7}
"""Fields that change results; every spec has one of them."""


def run_both(ground: Ground, rng: random.Random, both: list[list[str]]) -> list[tuple[int, str]]:
    """Run two commands from the same moment on, or up to half a second apart."""
    started: list[subprocess.Popen[str]] = [ground.start(one, ("-c", AT_ONCE)) for one in both]
    for process in started:
        wait_until(lambda process=process: "ready" in ground.said(process), process)
    for process in rng.sample(started, 2):
        assert process.stdin
        process.stdin.write("!")
        process.stdin.flush()
        time.sleep(rng.choice((0.0, rng.uniform(0, 0.05), rng.uniform(0, 0.5))))
    return [ground.finish(process) for process in started]


@trials("pairs")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("asked", ["the same", "something else"])
def test_of_two_at_once_one_does_the_work(
    finished: Run, ground: Ground, output: Callable[[str], str], tmp_path: Path, asked: str, seed: int
) -> None:
    rng = random.Random(seed)
    again = Again.of(finished, MADE[seed * 5 % len(MADE)])
    if asked == "something else" and not again.spec:
        again = Again.of(finished, "query")
    where = output(("file", "s3")[seed % 2] if again.step != "train" else "file")
    other = {} if asked == "the same" else dict([next(item for item in OTHER.items() if item[0] in again.spec)])
    both = [again.arguments(where, tmp_path), again.arguments(where, tmp_path, **other)]
    ended = run_both(ground, rng, both)
    codes = sorted(code for code, _ in ended)
    said = "\n".join(text for _, text in ended)
    assert "Traceback" not in said
    manifest = read_manifest(where)
    if asked == "the same":
        assert codes in ([0, 5], [0, 0]), said  # none but the first works, or the second comes when all is done
        assert codes == [0, 0] or "LEASED" in said
        assert manifest.digest == again.digest
    else:
        assert codes == [0, 5], said
        ((name, value),) = other.items()
        assert f"{name} is " in said or "LEASED" in said
        assert manifest.spec[name] == (again.spec[name] if ended[0][0] == 0 else value)
        assert ended[0][0] != 0 or manifest.digest == again.digest
    assert unfinished(where) == []
    assert ground.left() == []
