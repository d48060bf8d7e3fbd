"""Every pipeline there is: which steps, and what each reads from which."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from earthenware.errors import EarthenwareError
from earthenware.graph._declare import Pipeline, Task
from earthenware.graph._steps import STEPS


def task(step: str, *, after: str = "", fan_out: bool = False, **inputs: str) -> Task:
    """Return a step's place in a pipeline: ``task("merge", stores="build")`` reads its stores from ``build``."""
    return Task(STEPS[step], inputs, (after,) if after else (), fan_out)


_CUBES: Final = (
    task("query"),
    task("build", scenes="query", fan_out=True),
    task("merge", stores="build"),
    task("validate", chips="merge"),
    task("gate", validation="validate"),
)
_ALL: Final = (
    Pipeline(
        "pretrain",
        "Pretrain a masked autoencoder on satellite images from a STAC catalog, evaluate it, and export embeddings.",
        (
            *_CUBES,
            task("train", chips="merge", validation="validate", after="gate"),
            task("evaluate", chips="merge", model="train"),
            task("embed", chips="merge", model="train"),
            task("report", chips="merge", model="train", evaluation="evaluate", embeddings="embed"),
        ),
    ),
    Pipeline("cubes", "Build a validated chip store from the satellite images of a STAC catalog.", _CUBES),
)

PIPELINES: Final[Mapping[str, Pipeline]] = MappingProxyType({pipeline.name: pipeline for pipeline in _ALL})
"""The pipelines by their names."""


def find_pipeline(name: str) -> Pipeline:
    """Return a pipeline by its name.

    Raises:
        EarthenwareError: ``UNKNOWN_PIPELINE``.
    """
    if name in PIPELINES:
        return PIPELINES[name]
    near = difflib.get_close_matches(name, PIPELINES, n=1)
    known = f"The pipelines are: {', '.join(PIPELINES)}."
    remedy = f"Did you mean '{near[0]}'? {known}" if near else known
    raise EarthenwareError("UNKNOWN_PIPELINE", f"There is no pipeline '{name}'.", remedy)
