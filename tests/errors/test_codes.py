"""The table of error codes: it holds every code of the source and no other, and the page is made from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from earthenware.errors import CODES, EXIT_CODES, KINDS, EarthenwareError
from earthenware.errors.__main__ import document

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src" / "earthenware"
CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


def constants(value: ast.AST, body: ast.AST) -> Iterator[str]:
    """Yield the codes that an expression may be: a constant, either side of an ``if``, what a name was given."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and CODE.fullmatch(value.value):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from constants(value.body, body)
        yield from constants(value.orelse, body)
    elif isinstance(value, ast.Call):  # event.get("code", "STEP_FAILED")
        for argument in value.args:
            yield from constants(argument, body)
    elif isinstance(value, ast.Name):
        for node in ast.walk(body):
            if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == value.id for one in node.targets):
                yield from constants(node.value, ast.Module([], []))


def codes_of(text: str) -> set[str]:
    """Return the codes that errors are made with in a module's source."""
    tree = ast.parse(text)
    found: set[str] = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "attr", "") != "emit":  # the code of a warning, with which nothing ends
                found.update(*(constants(word.value, function) for word in node.keywords if word.arg == "code"))
            if getattr(node.func, "id", "") == "EarthenwareError" and node.args:
                found.update(constants(node.args[0], function))
    return found


def used() -> dict[str, str]:
    """Return the codes of the whole source with one file that uses each."""
    return {
        code: str(path.relative_to(SOURCE))
        for path in sorted(SOURCE.rglob("*.py"))
        for code in codes_of(path.read_text(encoding="utf-8"))
    }


def test_every_code_of_the_source_is_in_the_table() -> None:
    missing = {code: where for code, where in used().items() if code not in CODES}
    assert missing == {}


def test_every_code_of_the_table_is_used() -> None:
    assert sorted(set(CODES) - set(used())) == []


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ('raise EarthenwareError("A_B", "x")', {"A_B"}),
        ('raise EarthenwareError("A" if x else "B", "x")', {"A", "B"}),
        ('code = "A" if x else "B"; raise EarthenwareError(code, "x")', {"A", "B"}),
        ('raise EarthenwareError(event.get("code", "C"), "x")', {"C"}),
        ('return Plan(step, code="D")', {"D"}),
        ("raise EarthenwareError(error.code, error.message)", set()),
        ('events.emit("warning", code="E", message="x")', set()),
    ],
)
def test_the_search_for_codes_finds_them(body: str, codes: set[str]) -> None:
    assert codes_of(f"def f(x, event, error, step):\n    {body}\n") == codes


def test_each_kind_has_codes_and_a_documented_exit_code() -> None:
    assert {code.kind for code in CODES.values()} == set(KINDS)
    for kind in KINDS.values():
        assert kind.exit_code in EXIT_CODES


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        ("BAD_SPEC", "usage", 2),
        ("BAD_URI", "usage", 2),
        ("EMPTY_URI", "usage", 2),
        ("BAD_ENVIRONMENT", "usage", 2),
        ("BAD_QUERY", "usage", 2),
        ("EMPTY_SEARCH", "input", 3),
        ("STORAGE_FULL", "access", 3),
        ("WORKER_DIED", "failed", 3),
        ("VALIDATION_FAILED", "validation", 4),
        ("LEASED", "occupied", 5),
        ("NAME_TAKEN", "occupied", 5),
        ("INTERNAL", "internal", 1),
        ("OF_A_NEWER_VERSION", "failed", 3),
    ],
)
def test_the_kind_follows_from_the_code_and_the_exit_code_from_the_kind(code: str, kind: str, exit_code: int) -> None:
    error = EarthenwareError(code, "It went wrong.")
    assert (error.kind, error.exit_code) == (kind, exit_code)


def test_the_page_of_codes_is_current() -> None:
    page = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
    assert page == document(), "run: python -m earthenware.errors > docs/errors.md"
