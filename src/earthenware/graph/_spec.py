"""The spec of a whole pipeline: the steps' specs under one roof, read, looked into, and written as YAML."""

from __future__ import annotations

import functools
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, Field, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo

from earthenware import storage
from earthenware.graph._declare import Pipeline, Step
from earthenware.graph._pipelines import find_pipeline
from earthenware.graph._steps import STEPS
from earthenware.steps import (
    Foreseen,
    Meaning,
    Spec,
    Written,
    checked_address,
    load_yaml,
    mark_of,
    marks,
    override,
    parse_spec,
    parse_yaml,
)

_WIDTH: Final = 116
_PAIR: Final = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")
"""How JSON escapes a character beyond the first 65,536."""
_FIELD: Final = re.compile(r"^[{#]|:(\s|$)")
"""What one line of YAML has and no address of a file: a brace, a comment, or a colon that ends a name."""


class PipelineSpec(Written):
    """What a run of a pipeline is asked to do: a section for each step that has a spec."""

    root: str = Field(
        default="work",
        min_length=1,
        description="Folder or s3:// prefix under which every step writes; a finished step is found there again",
        json_schema_extra=marks(means="root"),
    )

    @field_validator("root")
    @classmethod
    def _root(cls, value: str) -> str:
        if storage.is_web(value.strip()):
            raise ValueError("a web address can only be read; give a folder or an s3:// prefix")
        return checked_address(value)

    def section(self, step: str) -> Any:
        """Return the spec of one step, or None where there is nothing to choose."""
        return getattr(self, _attribute(step), None)


class _Divided(PipelineSpec):
    shards: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Number of pods that a step over many scenes fans out to; 1 on a laptop, where workers count",
    )


@dataclass(frozen=True)
class SpecField:
    """One field of a pipeline's spec.

    Attributes:
        section: Name of the step; empty for what concerns the whole pipeline.
        name: Name within the section.
    """

    section: str
    name: str
    info: FieldInfo

    @property
    def path(self) -> str:
        """Name in a spec and in ``--set``, such as ``train.epochs``."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def parameter(self) -> str:
        """Name in a run form, such as ``train_epochs``."""
        return self.path.replace(".", "_")

    @property
    def default(self) -> Any:
        """The default; None where a value must be given."""
        return None if self.info.is_required() else self.info.get_default(call_default_factory=True)

    def of(self, spec: PipelineSpec) -> Any:
        """Return the field's value in a spec."""
        return getattr(spec.section(self.section) if self.section else spec, self.name)


@functools.cache
def spec_type(pipeline: Pipeline) -> type[PipelineSpec]:
    """Return the pydantic model of a pipeline's spec; the modules of its steps' specs are imported now."""
    sections: dict[str, Any] = {}
    for step in pipeline.steps:
        model = step.spec_type()
        if model is not None:
            sections[_attribute(step.name)] = (model, Field(default=model(), alias=step.name))
    name, base = f"{pipeline.name.capitalize()}Spec", _common(pipeline)
    check: Any = model_validator(mode="after")(functools.partial(_foresee, pipeline))
    told: dict[str, Any] = {"__doc__": pipeline.summary, "__validators__": {"_steps_fit": check}}
    return cast("type[PipelineSpec]", create_model(name, __base__=base, **told, **sections))


def _foresee(pipeline: Pipeline, spec: PipelineSpec) -> PipelineSpec:
    """Hold each step's spec against what is known of its inputs beforehand."""
    outputs: dict[str, Foreseen] = {}
    for task in pipeline.tasks:
        known = [outputs[source] for source in task.inputs.values()]
        inputs = Foreseen(**{name: value for one in known for name, value in vars(one).items() if value is not None})
        name, shard = task.step.name, task.step.shard
        own: Spec | None = spec.section(name)
        if own is None:
            outputs[name] = inputs
            continue
        if shard and getattr(own, shard) != type(own).model_fields[shard].default:
            raise ValueError(f"{name}.{shard} is for the step alone: a pipeline is told how many 'shards'")
        try:
            outputs[name] = own.foresee(inputs)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return spec


def _common(pipeline: Pipeline) -> type[PipelineSpec]:
    return _Divided if pipeline.fans_out else PipelineSpec


def _attribute(step: str) -> str:
    # A model has methods of its own: its 'validate' is one.
    return f"{step}_" if hasattr(BaseModel, step) else step


def fields(pipeline: Pipeline) -> Iterator[SpecField]:
    """Yield every field that a person may set, in the order of the steps."""
    for name, info in _common(pipeline).model_fields.items():
        yield SpecField("", name, info)
    for step in pipeline.steps:
        model = step.spec_type()
        for name, info in model.model_fields.items() if model else ():
            if name != step.shard:
                yield SpecField(step.name, name, info)


def meaning(pipeline: Pipeline, means: Meaning) -> list[SpecField]:
    """Return the fields of a pipeline that are marked to mean something, such as ``catalog``."""
    return [field for field in fields(pipeline) if mark_of(field.info, "means") == means]


def load_spec(
    pipeline: str, given: PipelineSpec | Mapping[str, Any] | str | Path | None, assignments: Sequence[str] = ()
) -> PipelineSpec:
    """Return the spec of a pipeline, given as itself, its values, or the path or URI of its YAML; None is all defaults.

    Fields are changed by assignments, each as ``section.field=value``.

    Raises:
        EarthenwareError: ``UNKNOWN_PIPELINE``, or what reading and checking the spec raises.
    """
    model = spec_type(find_pipeline(pipeline))
    if isinstance(given, str | Path):
        return parse_spec(model, override(load_yaml(str(given)), tuple(assignments)), str(given))
    values = given.model_dump(by_alias=True) if isinstance(given, PipelineSpec) else dict(given or {})
    return parse_spec(model, override(values, tuple(assignments)))


def read_spec(text: str) -> dict[str, Any]:
    """Return the mapping in a YAML text, or in the file that the text is the path or URI of."""
    line = text.strip()
    if line and "\n" not in line and not _FIELD.search(line):
        return load_yaml(line)
    return parse_yaml(text, "spec")


def shard_count(values: Mapping[str, Any]) -> int:
    """Return the number of shards that the values of a pipeline's spec ask for."""
    return parse_spec(_Divided, {"shards": values["shards"]} if "shards" in values else {}).shards


def step_spec(step: Step, values: Mapping[str, Any], assignments: Sequence[str], source: str) -> Any:
    """Return the spec of one step: from its section of a pipeline's spec, or from its fields alone.

    Raises:
        EarthenwareError: ``BAD_SPEC``, ``BAD_SET``.
    """
    model = step.spec_type()
    if model is None:
        return None
    if set(values) <= {step.name, *STEPS, *_Divided.model_fields}:
        values = values.get(step.name) or {}
    return parse_spec(model, override(dict(values), tuple(assignments)), source)


def with_values(spec: PipelineSpec, values: Mapping[str, Any]) -> PipelineSpec:
    """Return a spec with other values at some paths, such as ``{"query.catalog": "items.json"}``.

    Raises:
        EarthenwareError: ``BAD_SPEC``.
    """
    dumped = spec.model_dump(by_alias=True)
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        (dumped[section] if section else dumped)[name] = value
    return parse_spec(type(spec), dumped)


def spec_yaml(pipeline: Pipeline, spec: PipelineSpec, leave_out: Sequence[str] = ()) -> str:
    """Return what ``spec`` says as plain YAML: every field, but for the paths in ``leave_out``."""
    values = {field.path: field.of(spec) for field in fields(pipeline) if field.path not in leave_out}
    return "".join(f"{line}\n" for line in _lines(pipeline, values, explained=False))


def commented_yaml(pipeline: Pipeline, given: Mapping[str, Any], schema_uri: str) -> str:
    """Return a spec to start from: every field described, with its default or what ``given`` has at its path."""
    lines = [
        f"# yaml-language-server: $schema={schema_uri}",
        f"# Spec of the pipeline '{pipeline.name}': earthenware run {pipeline.name} --spec THIS_FILE",
        "# Every field is listed with its default; what you do not want to change may be deleted.",
    ]
    values = {field.path: given.get(field.path, field.default) for field in fields(pipeline)}
    return "\n".join([*lines, *_lines(pipeline, values, explained=True)]) + "\n"


def _lines(pipeline: Pipeline, values: Mapping[str, Any], explained: bool) -> Iterator[str]:
    """Yield the lines of YAML for the fields whose paths ``values`` has."""
    section = ""
    for field in fields(pipeline):
        if field.path not in values:
            continue
        if explained and (not field.section or field.section != section):
            yield ""
        if field.section != section:
            section = field.section
            yield f"{section}:"
        indent = "  " if section else ""
        if explained:
            yield from comment(field.info.description or "", indent)
        # JSON is YAML too, but for pairs of surrogates.
        value = values[field.path]
        text = "" if value is None else _PAIR.sub(_character, json.dumps(value))
        yield f"{indent}{field.name}: {text}".rstrip()


def comment(text: str, indent: str) -> list[str]:
    """Return a text as the lines of a YAML comment."""
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent))]


def _character(pair: re.Match[str]) -> str:
    return f"\\U{ord(json.loads(chr(34) + pair[0] + chr(34))):08x}"
