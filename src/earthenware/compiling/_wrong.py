"""Saying what is wrong with a profile, without ever showing what may be a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from earthenware.compiling._steps import LabelKey, LabelValue, Variable
from earthenware.launch import DnsName, Quantity

_HIDDEN = {"secrets", "environment", "labels", "annotations"}
"""Fields below which a wrong value is not repeated."""
_PATTERNS: Final = {
    get_args(Quantity)[1].pattern: "write a quantity, such as 4, 500m or 16Gi",
    get_args(DnsName)[1].pattern: "write the name of a Kubernetes object: lower-case letters, digits, '-' and '.'",
    get_args(LabelKey)[1].pattern: "write a label's key, such as example.com/team",
    get_args(LabelValue)[1].pattern: "write at most 63 letters, digits, '-', '_' and '.'",
    get_args(Variable)[1].pattern: "write a variable's name: letters, digits and '_'",
}
_TYPES: Final = {
    "model_type": "write a mapping of fields",
    "dict_type": "write a mapping",
    "tuple_type": "write a list",
}


def describe(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """Return one line that names each wrong field, its value and what is allowed.

    Args:
        error: What pydantic found.
        model: The model that was being filled.
        source: The file, for the reader.
    """
    sentences: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        # A field that may be a name or empty fails twice: the first reason is the telling one.
        sentences.setdefault(_field(problem), _sentence(problem, model))
    return " ".join(f"{source}: {'; '.join(sentences.values())}.".split())


def _field(problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    return ".".join(part for part in location if not part.startswith(("constrained-", "literal[", "[key]")))


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    location = [str(part) for part in problem["loc"]]
    field = _field(problem)
    reason = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    reason = _TYPES.get(problem["type"], _PATTERNS.get(problem.get("ctx", {}).get("pattern"), reason))
    if problem["type"] == "extra_forbidden":
        return f"{field} is not a known field (known: {', '.join(_known(model, location[:-1]))})"
    if problem["type"] == "missing":
        return f"{field} is required"
    if not location:
        return reason
    if _HIDDEN & set(location):
        return f"{field}: {reason}"
    text = json.dumps(problem["input"], default=str, ensure_ascii=False)
    return f"{field} = {text if len(text) <= 80 else text[:77] + '...'}: {reason}"


def _known(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        if part.isdigit() or part not in model.model_fields:
            continue  # a place in a list, or a key of a mapping such as a step's name: its model is known already
        model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
