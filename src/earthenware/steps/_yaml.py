"""YAML specs: plain values only, read the way their writers mean them, and ``--set`` on top."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError, first_line

_LARGEST: Final = 2**20
"""Bytes of the longest spec that is read."""
_MOST_NODES: Final = 20_000
"""Values in a spec with all its aliases written out; more is a mistake or an attack."""

# The scalars of YAML 1.2's core schema that a spec may hold; all else is text, also 0x1f, 1_000 and a date.
_SCALARS: Final = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf)|\.(?:nan|NaN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
)


class _BadYamlError(Exception):
    """Text is not plain YAML; says where and why in one line."""


def _load_plain(text: str) -> Any:
    """Return the values in a YAML text.

    Raises:
        _BadYamlError: It does not parse, is nested too deeply, or holds what a spec has no use for.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import ConstructorError, SafeConstructor
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.resolver import VersionedResolver

    class Resolver(VersionedResolver):
        versioned_resolver = {  # noqa: RUF012 - in place of the property that makes it of ruamel's wider schema
            letter: [
                (f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$"))
                for kind, pattern, letters in _SCALARS
                if letter in letters
            ]
            for letter in {letter for _, _, letters in _SCALARS for letter in letters}
        }

    class Constructor(SafeConstructor):
        def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
            if isinstance(key, str) and key not in mapping:
                return True
            wrong = f"the field {key!r} is given twice" if key in mapping else "a field's name must be text"
            raise ConstructorError(None, None, wrong, key_node.start_mark)

    reader = YAML(typ="safe", pure=True)
    reader.Resolver, reader.Constructor = Resolver, Constructor
    try:
        node = reader.compose(text)
        if node is None:
            return None
        if _count(node, {}) > _MOST_NODES:
            raise _BadYamlError(f": it has more than {_MOST_NODES} values with its aliases written out")
        return reader.constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _BadYamlError(f"{where}: {first_line(error.problem or error)}") from None
    except YAMLError as error:
        raise _BadYamlError(f": {first_line(error)}") from None
    except RecursionError:
        raise _BadYamlError(": it is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise _BadYamlError(f": {first_line(error).partition(';')[0]}") from None


def _count(node: Any, counted: dict[int, int]) -> int:
    """Return the number of values below a node; one that several aliases name counts each time."""
    if id(node) in counted:
        return counted[id(node)]
    counted[id(node)] = _MOST_NODES + 1  # an alias inside what it names would never end
    total = 1
    for item in node.value if isinstance(node.value, list) else []:
        for child in item if isinstance(item, tuple) else (item,):
            total += _count(child, counted)
    counted[id(node)] = total
    return total


def load_yaml(uri: str) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Dates and times stay the text that the user wrote, and so do ``yes``, ``no``, ``on`` and ``off``; a spec's boolean
    fields understand them.

    Raises:
        EarthenwareError: ``NO_SPEC`` when there is no such file, ``BAD_YAML`` when it does not parse to a mapping.
    """
    shown = storage.redact(uri)
    try:
        data = storage.read_bytes(uri)
        if len(data) > _LARGEST:
            raise EarthenwareError("BAD_YAML", f"'{shown}' is too long to be a spec ({len(data)} bytes).")
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise EarthenwareError(
            "NO_SPEC", f"There is no spec file '{shown}'.", "'earthenware init' writes one."
        ) from None
    except UnicodeDecodeError:
        raise EarthenwareError("BAD_YAML", f"'{shown}' is not a UTF-8 text file.") from None
    return parse_yaml(text, shown)


def parse_yaml(text: str, shown: str) -> dict[str, Any]:
    """Return the mapping in a YAML text that errors call ``shown``.

    Raises:
        EarthenwareError: ``BAD_YAML`` when it does not parse to a mapping.
    """
    try:
        values = _load_plain(text)
    except _BadYamlError as error:
        raise EarthenwareError("BAD_YAML", f"'{shown}' is not a valid spec{error}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise EarthenwareError("BAD_YAML", f"'{shown}' must hold a mapping of fields, not a {type(values).__name__}.")
    return values


def override(values: dict[str, Any], assignments: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """Return ``values`` with ``section.field=value`` assignments applied.

    Each value is read as YAML, or as the text it is where it is none; nothing after the ``=`` is the empty text.

    Raises:
        EarthenwareError: ``BAD_SET`` for an assignment that is not ``key=value``.
    """
    result = copy.deepcopy(values)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            message = f"--set {assignment} is not of the form key=value."
            raise EarthenwareError("BAD_SET", message, "Write for example --set train.epochs=3.")
        target = result
        *sections, field = path
        for section in sections:
            existing = target.setdefault(section, {})
            if existing is None:  # the section's heading stands in the file with nothing below it
                existing = target[section] = {}
            if not isinstance(existing, dict):
                raise EarthenwareError("BAD_SET", f"--set {assignment}: '{section}' is a value, not a section.")
            target = existing
        try:
            target[field] = _load_plain(text) if text.strip() else ""
        except _BadYamlError:
            target[field] = text
    return result
