"""What a run needs beyond its spec, asked of every step before the first one starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph._declare import Pipeline
from earthenware.graph._spec import PipelineSpec
from earthenware.steps import Spec


def require(pipeline: Pipeline, spec: PipelineSpec, pods: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Raise what some step of a run would fail for later, and what its spec lacks.

    Args:
        pipeline: What is to be run.
        spec: What it is asked to do.
        pods: The environment variables of each step's pod; None for a run on this machine, which is looked at, too.

    Raises:
        EarthenwareError: ``BAD_SPEC``, ``BAD_URI``, ``NO_TRACKING_URI``, ``DEVICE_UNAVAILABLE``, ``NO_GPU``.
    """
    for step in pipeline.steps:
        own: Spec | None = spec.section(step.name)
        if own is None:
            continue
        try:
            own.require(output_of(spec, step.name), os.environ if pods is None else pods[step.name])
            if pods is None:
                own.require_machine()
        except EarthenwareError as error:
            raise EarthenwareError(error.code, f"{step.name}: {error.message}", error.remedy) from None


def output_of(spec: PipelineSpec, step: str) -> str:
    """Return where a step of a run writes; ``{fingerprint}`` stands in it for the step's own."""
    return storage.join(storage.normalise(spec.root), step, "{fingerprint}")
