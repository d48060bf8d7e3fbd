"""Other people's exceptions in our words: the first line of any, the wrong fields of pydantic's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_LONGEST: Final = 200
_LONGEST_VALUE: Final = 120
_UNION_TAGS: Final = ("constrained-", "literal[", "[key]")
"""What pydantic puts into the place of an error beside the names of fields."""
_TYPES: Final = {
    "model_type": "write a mapping of fields",
    "dict_type": "write a mapping",
    "tuple_type": "write a list",
}


def first_line(error: BaseException | str, longest: int = _LONGEST) -> str:
    """Return the first line of what an exception says, to be quoted within a sentence of our own.

    It has no full stop at its end and at most ``longest`` characters; an exception without words gives its type.
    """
    lines = (line.strip() for line in str(error).splitlines())
    said = next((line for line in lines if line), "")[:longest].rstrip(". ")
    return said or (error if isinstance(error, str) else type(error).__name__)


def invalid_fields(
    error: ValidationError,
    source: str,
    model: type[BaseModel] | None = None,
    *,
    hidden: frozenset[str] = frozenset(),
    patterns: Mapping[str, str] | None = None,
) -> str:
    """Return one line that names each wrong field, its value and what is allowed.

    Args:
        error: What pydantic found.
        source: What was read, for the reader: a file, or the name of a section.
        model: The model that was being filled, to name the fields that it has.
        hidden: Fields below which a wrong value is not repeated, as it may be a secret.
        patterns: What to write for a value that does not match a regular expression, by the expression.
    """
    sentences: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        # A field that may be a name or empty fails twice: the first reason is the telling one.
        sentences.setdefault(_field(problem), _sentence(problem, model, hidden, patterns or {}))
    return " ".join(f"{source}: {'; '.join(sentences.values())}.".split())


def _field(problem: Any) -> str:
    return ".".join(part for part in map(str, problem["loc"]) if not part.startswith(_UNION_TAGS))


def _sentence(problem: Any, model: type[BaseModel] | None, hidden: frozenset[str], patterns: Mapping[str, str]) -> str:
    location, field = [str(part) for part in problem["loc"]], _field(problem)
    reason = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    reason = _TYPES.get(problem["type"], patterns.get(problem.get("ctx", {}).get("pattern"), reason))
    if problem["type"] == "extra_forbidden":
        return f"{field} is not a known field" + (f" (known: {', '.join(_known(model, location))})" if model else "")
    if problem["type"] == "missing":
        return f"{field} is required"
    if not location:
        return reason
    if hidden & set(location):
        return f"{field}: {reason}"
    text = json.dumps(problem["input"], default=str, ensure_ascii=False)
    shown = text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
    return f"{field} = {shown}: {reason}"


def _known(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path[:-1]:
        if part in model.model_fields:  # else a place in a list or a key of a mapping, whose model is known already
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if hasattr(annotation, "model_fields"):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
