"""The spec of a whole pipeline: the steps' specs under one roof, as YAML, as JSON Schema and as flat parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from earthenware.catalog import QuerySpec
from earthenware.datacube import BuildSpec
from earthenware.embeddings import EmbedSpec
from earthenware.errors import EarthenwareError
from earthenware.evaluation import EvaluateSpec, ReportSpec
from earthenware.steps import Spec, load_yaml, override, parse_spec
from earthenware.training import TrainSpec
from earthenware.validation import ValidateSpec


class PretrainSpec(BaseModel):
    """From a catalog to a pretrained model, its evaluation and its embeddings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field(
        default="work",
        min_length=1,
        description="Folder or s3:// prefix under which every step writes; a finished step is found there again",
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Number of pods that the datacube build fans out to; 1 on a laptop, where build.workers counts",
    )
    query: QuerySpec = QuerySpec()
    build: BuildSpec = BuildSpec()
    validate_: ValidateSpec = Field(default=ValidateSpec(), alias="validate")
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()
    embed: EmbedSpec = EmbedSpec()
    report: ReportSpec = ReportSpec()


PIPELINES: Final[dict[str, type[BaseModel]]] = {"pretrain": PretrainSpec}
_NOT_PARAMETERS: Final = {("build", "shard")}
"""Fields that the pipeline itself fills in."""


def _sections(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo, type[Spec] | None]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        nested = annotation if isinstance(annotation, type) and issubclass(annotation, Spec) else None
        yield field.alias or name, field, nested


def section_of(pipeline: str, step: str) -> type[Spec]:
    """Return the spec class of one step of a pipeline."""
    for name, _, nested in _sections(PIPELINES[pipeline]):
        if name == step and nested is not None:
            return nested
    raise EarthenwareError("BAD_SPEC", f"The pipeline '{pipeline}' has no section '{step}'.")


def load_spec(pipeline: str, uri: str | None, assignments: tuple[str, ...] = ()) -> BaseModel:
    """Read the spec of a pipeline from YAML and apply ``section.field=value`` assignments.

    Raises:
        EarthenwareError: ``UNKNOWN_PIPELINE``, or what reading and checking the spec raises.
    """
    model = PIPELINES.get(pipeline)
    if model is None:
        message = f"There is no pipeline '{pipeline}'."
        raise EarthenwareError("UNKNOWN_PIPELINE", message, f"The pipelines are: {', '.join(PIPELINES)}.")
    values = override(load_yaml(uri) if uri else {}, assignments)
    return parse_spec(model, values, uri or "spec")


def parameters(pipeline: str) -> dict[str, tuple[FieldInfo, Any]]:
    """Return every parameter of a compiled pipeline: its field and its default as Kubeflow holds it."""
    found: dict[str, tuple[FieldInfo, Any]] = {}
    for section, field, nested in _sections(PIPELINES[pipeline]):
        if nested is None:
            found[section] = (field, _flat(field.get_default()))
            continue
        for name, inner in nested.model_fields.items():
            if (section, name) not in _NOT_PARAMETERS:
                found[f"{section}_{name}"] = (inner, None if inner.is_required() else _flat(inner.get_default()))
    return found


def flatten(spec: BaseModel) -> dict[str, Any]:
    """Return the spec as the flat parameters of the compiled pipeline: ``train.epochs`` is ``train_epochs``."""
    values: dict[str, Any] = {}
    for section, _, nested in _sections(type(spec)):
        name = next(key for key, field in type(spec).model_fields.items() if (field.alias or key) == section)
        value = getattr(spec, name)
        if nested is None:
            values[section] = _flat(value)
            continue
        for key in nested.model_fields:
            if (section, key) not in _NOT_PARAMETERS:
                values[f"{section}_{key}"] = _flat(getattr(value, key))
    return values


def _flat(value: Any) -> Any:
    # Lists would be lists of protobuf values, whose numbers Kubeflow turns into floats: text with commas is safe.
    return ",".join(str(item) for item in value) if isinstance(value, tuple | list) else value


def render_yaml(pipeline: str, values: dict[str, dict[str, Any]], schema_uri: str) -> str:
    """Return a commented spec: every field with its description, its default, and ``values`` where given."""
    model = PIPELINES[pipeline]
    lines = [
        f"# yaml-language-server: $schema={schema_uri}",
        f"# Spec of the pipeline '{pipeline}': earthenware run {pipeline} --spec THIS_FILE",
        "# Every field is listed with its default; what you do not want to change may be deleted.",
    ]
    for section, field, nested in _sections(model):
        if nested is None:
            lines += ["", *_entry(section, field, values.get("", {}), "")]
            continue
        lines += ["", f"{section}:"]
        for name, inner in nested.model_fields.items():
            if (section, name) not in _NOT_PARAMETERS:
                lines += _entry(name, inner, values.get(section, {}), "  ")
    return "\n".join(lines) + "\n"


def _entry(name: str, field: FieldInfo, given: dict[str, Any], indent: str) -> list[str]:
    import textwrap

    value = given.get(name, None if field.is_required() else field.get_default())
    comment = textwrap.wrap(field.description or "", 116 - len(indent))
    text = "" if value is None else json.dumps(list(value) if isinstance(value, tuple) else value)
    return [*(f"{indent}# {line}" for line in comment), f"{indent}{name}: {text}".rstrip()]
