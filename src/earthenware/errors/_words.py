"""Other people's exceptions in our words: what any says, why a connection failed, which fields pydantic finds wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_LONGEST_VALUE: Final = 120
_UNION_TAGS: Final = ("constrained-", "literal[", "[key]")
"""What pydantic puts into the place of an error beside the names of fields."""
_TYPES: Final = {
    "model_type": "write a mapping of fields",
    "dict_type": "write a mapping",
    "tuple_type": "write a list",
}
_URL_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>,]+")
_CAUSES: Final = (
    (
        r"name or service not known|no address|nodename nor servname|failed to resolve|could not resolve|dns error",
        "the name of the host is not known",
    ),
    (r"timed ?out|kind: timeout", "the server did not answer in time"),
    (
        r"connection refused|connection reset|remote end closed connection|network is unreachable|no route to host"
        r"|wrong version number|certificate verify failed[^)\\'\"]*",
        None,
    ),
    (r"error sending request", "the server cannot be reached"),
)
"""What requests, urllib3, GDAL and obstore say somewhere in their nested texts, and how to say it; None: just so."""


def redact(uri: str) -> str:
    """Return ``uri`` without user information and query, which may hold secrets, for messages and logs."""
    scheme, separator, rest = uri.partition("://")
    if not separator or uri.startswith("file:"):
        return uri
    if scheme == "s3":
        bucket, slash, key = rest.partition("/")
        return f"s3://{bucket.rpartition('@')[2]}{slash}{key}"
    try:
        parts = urlsplit(uri)
    except ValueError:  # a bracket without its partner
        return f"{scheme}://..."
    # Put together by hand: urlunsplit makes sqlite:////tmp/x, which has no host, into sqlite://tmp/x.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def redact_text(text: str) -> str:
    """Return ``text`` with every URL in it redacted."""
    return _URL_IN_TEXT.sub(lambda match: redact(match.group()), text)


def first_line(error: BaseException | str, longest: int = 200) -> str:
    """Return the first line of what an exception says, to be quoted within a sentence of our own.

    URLs are redacted. It has no full stop at its end and at most ``longest`` characters; an exception without words
    gives its type.
    """
    lines = (line.strip() for line in redact_text(str(error)).splitlines())
    said = next((line for line in lines if line), "")[:longest].rstrip(". ")
    return said or (error if isinstance(error, str) else type(error).__name__)


def one_line(text: str, longest: int = 400) -> str:
    """Return a text of several lines as one, to be quoted like :func:`first_line`."""
    return redact_text(" ".join(text.split()))[:longest].rstrip(". ")


def printable(text: str) -> str:
    """Return a text from outside as one line that a terminal shows and does not obey: it spells control characters."""
    return "".join(one if one.isprintable() else " " if one.isspace() else repr(one)[1:-1] for one in text)


def reason(error: BaseException | str) -> str:
    """Return why a connection failed: the cause inside the nested text of any client, in a few words."""
    text = str(error)
    for pattern, words in _CAUSES:
        if found := re.search(pattern, text, re.IGNORECASE):
            return words or found[0].lower()
    return first_line(error)


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
    listed: set[str] = set()
    for problem in error.errors(include_url=False):
        # A field that may be a name or empty fails twice: the first reason is the telling one.
        sentence = sentences.setdefault(_field(problem), _sentence(problem, hidden, patterns or {}))
        known = f" (known: {', '.join(_known(model, problem['loc']))})" if model and _is_unknown(problem) else ""
        if known not in listed:  # the fields of a section are told once
            sentences[_field(problem)] = sentence + known
            listed.add(known)
    return " ".join(f"{source}: {'; '.join(sentences.values())}.".split())


def _field(problem: Any) -> str:
    return ".".join(part for part in map(str, problem["loc"]) if not part.startswith(_UNION_TAGS))


def _is_unknown(problem: Any) -> bool:
    return bool(problem["type"] == "extra_forbidden")


def _sentence(problem: Any, hidden: frozenset[str], patterns: Mapping[str, str]) -> str:
    location, field = [str(part) for part in problem["loc"]], _field(problem)
    reason = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    reason = _TYPES.get(problem["type"], patterns.get(problem.get("ctx", {}).get("pattern"), reason))
    if _is_unknown(problem):
        return f"{field} is not a known field"
    if problem["type"] == "missing":
        return f"{field} is required"
    if not location:
        return reason
    if hidden & set(location):
        return f"{field}: {reason}"
    if isinstance(problem["input"], dict) and problem["type"] == "value_error":  # of several fields together
        return f"{field}: {reason}"
    text = redact_text(json.dumps(problem["input"], default=str, ensure_ascii=False))
    shown = text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
    return f"{field} = {shown}: {reason}"


def _known(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the fields that a person may write where an error's path ends."""
    for part in path[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:  # else a place in a list or a key of a mapping, whose model is known already
            model = next(_models(fields[str(part)].annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if hasattr(annotation, "model_fields"):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
