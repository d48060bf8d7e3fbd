"""Other people's exceptions in our words."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earthenware.errors import first_line, invalid_fields, printable


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("It broke.\nTraceback"), "It broke"),
        (ValueError("\n\n  late  \nmore"), "late"),
        (ValueError(), "ValueError"),
        (OSError("   "), "OSError"),
        ("plain text. ", "plain text"),
        ("", ""),
        (ValueError("x" * 500), "x" * 200),
    ],
)
def test_the_first_line_that_says_something(error: BaseException | str, line: str) -> None:
    assert first_line(error) == line


def test_control_characters_are_spelled() -> None:
    told = printable("a\x1b[31m b\tc\nd\x00\x9b\u202e\ud800 \N{NO-BREAK SPACE}\N{SNOWMAN}é")
    assert told == "a\\x1b[31m b c d\\x00\\x9b\\u202e\\ud800  \N{SNOWMAN}é"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(1, ge=1)
    secrets: dict[str, int] = {}


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner = Inner()
    rows: list[Inner] = []


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "f: name is required."),
        ({"name": "x", "nam": 1}, "f: nam is not a known field (known: name, inner, rows)."),
        ({"name": "x", "rows": [{"sise": 1}]}, "f: rows.0.sise is not a known field (known: size, secrets)."),
        (
            {"name": "x", "inner": {"size": 0}},
            "f: inner.size = 0: Input should be greater than or equal to 1.",
        ),
        ({"name": "x", "inner": 3}, "f: inner = 3: write a mapping of fields."),
        (
            {"name": "x", "inner": {"secrets": {"a": "hunter2"}}},
            "f: inner.secrets.a: Input should be a valid integer, unable to parse string as an integer.",
        ),
    ],
)
def test_each_wrong_field_is_named_in_one_line(values: dict[str, object], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    assert invalid_fields(caught.value, "f", Outer, hidden=frozenset({"secrets"})) == line
