"""Finding a secret in a profile's nested values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from earthenware.launch import looks_secret

_REFERENCE: Final = frozenset({"variable", "secret", "key", "optional"})


def find_secret(values: Any) -> str:
    """Return the dotted path of the first secret in nested plain values; empty when there is none.

    Below ``secrets`` stand only names: a field there that is not one of ``variable``, ``secret``, ``key`` and
    ``optional`` is taken for the secret itself.
    """
    for path, value in _leaves(values, ()):
        entry = len(path) >= 3 and path[-3] == "secrets" and path[-1] not in _REFERENCE
        variable = len(path) >= 2 and path[-2] == "environment"
        if entry or looks_secret(path[-1] if variable else "", value):
            return ".".join(path)
    return ""


def _leaves(values: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values):
            yield from _leaves(value, (*path, str(number)))
    else:
        yield path, values
