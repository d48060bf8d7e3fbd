"""The parameters of a compiled pipeline, and the values that a spec gives them."""

from __future__ import annotations

from typing import Any

from earthenware.graph._declare import Pipeline
from earthenware.graph._spec import PipelineSpec, fields


def arguments(pipeline: Pipeline, spec: PipelineSpec) -> dict[str, Any]:
    """Return a spec as the parameters of the compiled pipeline: ``train.epochs`` is ``train_epochs``."""
    return {field.parameter: as_parameter(field.of(spec)) for field in fields(pipeline)}


def as_parameter(value: Any) -> Any:
    """Return a field's value as Kubeflow holds it."""
    # Lists would be lists of protobuf values, whose numbers Kubeflow turns into floats: text with commas is safe.
    return ",".join(str(item) for item in value) if isinstance(value, tuple | list) else value
