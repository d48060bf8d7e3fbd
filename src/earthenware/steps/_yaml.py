"""YAML specs: plain values only, read the way their writers mean them, and ``--set`` on top."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError

_LARGEST: Final = 2**20
"""Bytes of the longest spec that is read."""
_MOST_NODES: Final = 20_000
"""Values in a spec with all its aliases written out; more is a mistake or an attack."""

# The core schema of YAML 1.2. YAML 1.1, PyYAML's own, takes 2021-07-01 for a date, 12:30 for 750 and no for false.
_SCALARS: Final = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf)|\.(?:nan|NaN)",
        list("-+.0123456789"),
    ),
)


def _load_plain(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as the base class

        def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
            return int(self.construct_scalar(node))  # 010 is ten

        def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
            text = str(self.construct_scalar(node)).lower()
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise yaml.constructor.ConstructorError(
                        None, None, "a field's name must be text", key_node.start_mark
                    )
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the field {key!r} is given twice", key_node.start_mark
                    )
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

    for kind, pattern, first in _SCALARS:
        tag = f"tag:yaml.org,2002:{kind}"
        Loader.add_implicit_resolver(tag, re.compile(f"^(?:{pattern})$"), first)
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
    Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
    Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_yaml_float)
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > _MOST_NODES:
            raise yaml.YAMLError(f"it has more than {_MOST_NODES} values with its aliases written out")
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise yaml.YAMLError(str(error).partition(";")[0]) from None
    finally:
        loader.dispose()


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
    import yaml

    try:
        values = _load_plain(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or (error.args or ["it does not parse"])[0]).split())
        raise EarthenwareError("BAD_YAML", f"'{shown}' is not a valid spec{where}: {problem}.") from None
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
    import yaml

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
        except yaml.YAMLError:
            target[field] = text
    return result
