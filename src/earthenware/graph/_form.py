"""The run form of a compiled pipeline: its few entries, and how they become the spec of a run."""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph._component import reporting, write_artifact
from earthenware.graph._declare import Pipeline
from earthenware.graph._pipelines import find_pipeline
from earthenware.graph._spec import PipelineSpec, SpecField, fields, read_spec, spec_type, spec_yaml
from earthenware.graph._steps import CONFIGURE
from earthenware.steps import mark_of, override, parse_spec, sha256_json

DEFAULT_ROOT: Final = "s3://mlpipeline/earthenware"
"""Root in a run form: a laptop writes into a folder, a cluster into its store."""
LONGEST_SPEC: Final = 100_000
"""Characters of a spec as JSON text: the input of a component is one process argument of at most 131,072 bytes."""


@dataclass(frozen=True)
class Entry:
    """One entry of a run form; ``field`` is the spec's field that it stands for, None for the spec itself."""

    name: str
    default: str | int | float | bool
    description: str
    field: SpecField | None = None


def form(pipeline: Pipeline) -> Iterator[Entry]:
    """Yield the entries of a pipeline's run form: the root, the spec, and the fields that are marked ``form``."""
    own = [_entry(field) for field in fields(pipeline) if not field.section]
    told = f"Spec of the run as 'earthenware run {pipeline.name} --spec' takes it: YAML, or the URI of such a file"
    yield own[0]
    yield Entry("spec", "", f"{told}; an entry of this form wins over it where it is not left at its default")
    yield Entry("set", "", "Fields to change, such as 'train.seed=3 query.sites=13TDE,31UFS'; wins over all else")
    yield from own[1:]
    yield from (_entry(field) for field in fields(pipeline) if mark_of(field.info, "form"))


def _entry(field: SpecField) -> Entry:
    default = DEFAULT_ROOT if mark_of(field.info, "means") == "root" else as_parameter(field.default)
    return Entry(field.parameter, default, " ".join((field.info.description or "").split()).rstrip("."), field)


def as_parameter(value: Any) -> Any:
    """Return a field's value as Kubeflow holds it."""
    # Lists would be lists of protobuf values, whose numbers Kubeflow turns into floats: text with commas is safe.
    return ",".join(str(item) for item in value) if isinstance(value, tuple | list) else value


def signature(pipeline: Pipeline) -> inspect.Signature:
    """Return the run form as a function's signature."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    entries = form(pipeline)
    return inspect.Signature(
        [inspect.Parameter(one.name, kind, default=one.default, annotation=type(one.default)) for one in entries]
    )


def docstring(pipeline: Pipeline) -> str:
    """Return the run form as a function's docstring."""
    entries = (f"    {one.name}: {one.description}." for one in form(pipeline))
    return "\n".join([pipeline.summary, "", "Args:", *entries])


def arguments(pipeline: Pipeline, spec: PipelineSpec) -> dict[str, Any]:
    """Return the parameters of a run that does what ``spec`` says.

    What the form has an entry for is given there, and only what differs from its default besides goes as YAML: who
    looks at the run, or starts it again with another value, finds each thing once.

    Raises:
        EarthenwareError: ``BAD_SPEC`` when the rest is too long for a parameter.
    """
    entries = {one.field.path: one.name for one in form(pipeline) if one.field is not None}
    values = {entries[one.path]: as_parameter(one.of(spec)) for one in fields(pipeline) if one.path in entries}
    plain = [one.path for one in fields(pipeline) if one.path in entries or one.of(spec) == one.default]
    text = spec_yaml(pipeline, spec, plain)
    length = len(json.dumps(text))
    if length > LONGEST_SPEC:
        message = f"The spec is too long for a run form: {length} of {LONGEST_SPEC} characters."
        raise EarthenwareError("BAD_SPEC", message, "Shorten its longest list.")
    return {**values, "spec": text, "set": ""}


def resolve(pipeline: Pipeline, given: Mapping[str, Any]) -> PipelineSpec:
    """Return the spec that a filled-in run form says.

    An entry that is left at its default says nothing: the spec's value holds, or else the default. One that differs
    wins over the spec, and ``set`` wins over all.

    Raises:
        EarthenwareError: ``BAD_SPEC``, ``BAD_YAML``, ``BAD_SET``, or what reading the spec raises.
    """
    values = read_spec(str(given.get("spec", "")))
    for entry in form(pipeline):
        field = entry.field
        if field is None or entry.name not in given:
            continue
        section = _section(values, field.section) if field.section else values
        if given[entry.name] != entry.default:
            section[field.name] = given[entry.name]
        elif field.path == "root":  # its default in the form is another than the spec's
            section.setdefault("root", entry.default)
    try:
        assignments = shlex.split(str(given.get("set", "")))
    except ValueError as error:
        message = f"set: {given['set']!r} has a quotation mark without its end ({error})."
        raise EarthenwareError("BAD_SET", message, "Write for example train.epochs=3 report.title='My page'.") from None
    return parse_spec(spec_type(pipeline), override(values, tuple(assignments)), "spec")


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    section = values.get(name)
    if section is None:  # left out, or a heading with nothing below it
        section = values[name] = {}
    return section if isinstance(section, dict) else {}  # what is no mapping is refused with the rest


class Configured(NamedTuple):
    """What a run is configured with: the URI of its resolved spec, and the root."""

    spec: str
    root: str


def configure(pipeline: str, package_version: str, given: Mapping[str, Any], shown: Any) -> Configured:
    """Make the spec of a run out of its form, check all of it, and keep it below the root.

    It is kept as ``<root>/specs/<digest>.yaml``, which is written once and never changed, and ``shown``, an
    Output[Markdown], gets it too. The pipeline was compiled by the package of ``package_version``.

    Raises:
        EarthenwareError: ``BAD_SPEC`` and what else :func:`resolve` raises, ``VERSION_MISMATCH``, ``STORAGE_*``.
    """
    with reporting(CONFIGURE, package_version) as events:
        graph = find_pipeline(pipeline)
        spec = resolve(graph, given)
        text = spec_yaml(graph, spec)
        root = storage.normalise(spec.root)
        uri = storage.join(root, "specs", f"{sha256_json(text)[:12]}.yaml")
        with contextlib.suppress(FileExistsError):
            storage.write_bytes(uri, text.encode(), create_only=True)
        write_artifact(shown, f"```yaml\n{text}```\n".encode())
        events.emit("finished", seconds=0.0, counts={}, output="")
        return Configured(uri, root)
