"""The declaration of every step and pipeline; the command line, components, dry runs and documents follow from it."""

from __future__ import annotations

from earthenware.graph._component import read_pointer, run_component
from earthenware.graph._declare import Artifact, Kind, Pipeline, Step, Task
from earthenware.graph._form import (
    Entry,
    arguments,
    as_parameter,
    configure,
    docstring,
    form,
    resolve,
    signature,
)
from earthenware.graph._pipelines import PIPELINES, find_pipeline, task
from earthenware.graph._plan import plan
from earthenware.graph._require import require
from earthenware.graph._spec import (
    PipelineSpec,
    SpecField,
    comment,
    commented_yaml,
    fields,
    load_spec,
    meaning,
    spec_type,
    spec_yaml,
    step_spec,
    with_values,
)
from earthenware.graph._states import StepState, find_steps, newest, read_by_runs
from earthenware.graph._steps import CONFIGURE, KINDS, STEPS

__all__ = [
    "CONFIGURE",
    "KINDS",
    "PIPELINES",
    "STEPS",
    "Artifact",
    "Entry",
    "Kind",
    "Pipeline",
    "PipelineSpec",
    "SpecField",
    "Step",
    "StepState",
    "Task",
    "arguments",
    "as_parameter",
    "comment",
    "commented_yaml",
    "configure",
    "docstring",
    "fields",
    "find_pipeline",
    "find_steps",
    "form",
    "load_spec",
    "meaning",
    "newest",
    "plan",
    "read_by_runs",
    "read_pointer",
    "require",
    "resolve",
    "run_component",
    "signature",
    "spec_type",
    "spec_yaml",
    "step_spec",
    "task",
    "with_values",
]
