"""The declaration of steps and pipelines: it agrees with the functions it names, and refuses what cannot run."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from earthenware.errors import EarthenwareError
from earthenware.graph import PIPELINES, STEPS, Pipeline, fields, find_pipeline, meaning, task


@pytest.mark.parametrize("name", STEPS)
def test_a_step_s_function_takes_what_the_graph_says(name: str) -> None:
    step = STEPS[name]
    parameters = inspect.signature(step.load()).parameters
    required = [key for key, value in parameters.items() if value.default is inspect.Parameter.empty]
    spec = ["spec"] if step.spec else []
    assert required == [
        *spec,
        *(item.name for item in step.inputs if not item.optional),
        *(["output"] if step.outputs else []),
    ]
    assert {item.name for item in step.inputs if item.optional} <= set(parameters)
    if step.spec:
        assert step.shard == "" or step.shard in step.spec_type().model_fields
    assert step.summary.endswith(".")


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ((task("build", scenes="query"),), "which does not stand before it"),
        ((task("query"), task("build")), "build reads scenes"),
        ((task("query"), task("build", scenes="query", chips="query")), "build reads scenes"),
        ((task("query"), task("merge", stores="query")), "query makes no chips for merge"),
        ((task("query"), task("query")), "stands twice"),
        ((task("query", fan_out=True),), "cannot be divided"),
        ((task("query"), task("build", scenes="query", after="gate")), "needs gate"),
    ],
)
def test_a_pipeline_that_cannot_run_is_refused(tasks: tuple[object, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Pipeline("wrong", "Wrong.", tasks)  # type: ignore[arg-type]


def test_an_unknown_pipeline_is_told_the_nearest() -> None:
    with pytest.raises(EarthenwareError) as caught:
        find_pipeline("pretain")
    assert caught.value.code == "UNKNOWN_PIPELINE"
    assert "Did you mean 'pretrain'?" in caught.value.remedy
    assert "cubes" in caught.value.remedy


def test_fields_are_found_by_what_they_mean() -> None:
    found = {
        means: [field.path for field in meaning(PIPELINES["pretrain"], means)]
        for means in ("root", "catalog", "tracking")
    }
    assert found == {"root": ["root"], "catalog": ["query.catalog"], "tracking": ["train.tracking_uri"]}
    assert meaning(PIPELINES["cubes"], "tracking") == []


@pytest.mark.parametrize("name", PIPELINES)
def test_what_a_pipeline_fills_in_is_no_field_of_its_spec(name: str) -> None:
    paths = [field.path for field in fields(PIPELINES[name])]
    assert len(paths) == len(set(paths))
    assert "build.shard" not in paths


STARTS = (
    ["--help"],
    ["--version"],
    ["run", "pretrain", "--spec", "/nonexistent.yaml"],
    ["run", "pretrian", "--spec", "x"],
)


@pytest.mark.parametrize("arguments", STARTS, ids=" ".join)
def test_the_command_starts_at_once(arguments: list[str]) -> None:
    """Under 0.6 s of CPU here; twice that is allowed for, as other machines are slower."""
    program = (
        "import sys, time\n"
        "from earthenware.cli._main import _call\n"
        f"_call({arguments!r})\n"
        "slow = ('torch', 'ray', 'kfp', 'mlflow', 'numpy', 'pyarrow', 'rasterio')\n"
        "print('heavy:', [name for name in slow if name in sys.modules])\n"
        "print('seconds:', time.process_time())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "heavy: []" in done.stdout, done.stdout[-300:]
    assert float(done.stdout.rpartition("seconds: ")[2]) < 1.2
