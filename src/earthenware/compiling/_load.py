"""Finding a profile by its name or its file, and laying it over the one that it starts from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from earthenware import storage
from earthenware.compiling._profile import Profile
from earthenware.compiling._steps import LabelKey, LabelValue, Variable, merge
from earthenware.errors import EarthenwareError, invalid_fields
from earthenware.launch import DnsName, Quantity, looks_secret
from earthenware.steps import load_yaml

_FOLDER: Final = Path(__file__).resolve().parent / "profiles"
_HIDDEN: Final = frozenset({"secrets", "environment", "labels", "annotations"})
"""Fields below which a wrong value is not repeated."""
_PATTERNS: Final = {
    get_args(Quantity)[1].pattern: "write a quantity, such as 4, 500m or 16Gi",
    get_args(DnsName)[1].pattern: "write the name of a Kubernetes object: lower-case letters, digits, '-' and '.'",
    get_args(LabelKey)[1].pattern: "write a label's key, such as example.com/team",
    get_args(LabelValue)[1].pattern: "write at most 63 letters, digits, '-', '_' and '.'",
    get_args(Variable)[1].pattern: "write a variable's name: letters, digits and '_'",
}
_REMEDY: Final = "'earthenware compile --profile cluster-cpu --show-profile' shows every field; docs/profiles.md too."
_REFERENCE: Final = frozenset({"variable", "secret", "key", "optional"})
_LONGEST_CHAIN: Final = 8
"""Profiles that may start from one another; more is a circle."""


def shipped_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that this package ships."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def _profile_file(name_or_path: str) -> str:
    """Return the path or URI of a profile's YAML, or raise ``UNKNOWN_PROFILE``."""
    if name_or_path in shipped_profiles():
        return str(_FOLDER / f"{name_or_path}.yaml")
    if "://" in name_or_path or Path(name_or_path).is_file():
        return name_or_path
    near = difflib.get_close_matches(name_or_path, shipped_profiles(), n=1)
    message = f"There is no profile '{name_or_path}', and no file of that name."
    known = f"The shipped profiles are: {', '.join(shipped_profiles())}."
    raise EarthenwareError("UNKNOWN_PROFILE", message, f"Did you mean '{near[0]}'? {known}" if near else known)


def load_profile(name_or_path: str) -> Profile:
    """Return a profile by the name of a shipped one, or by the path or URI of a YAML file.

    A file that says ``base: cluster-cpu`` starts from that profile: its mappings are merged into the base's key by
    key, everything else in it replaces what the base says.

    Raises:
        EarthenwareError: ``UNKNOWN_PROFILE`` when there is no such profile, ``BAD_PROFILE`` with one line that names
            each wrong field, its value and what is allowed.
    """
    file = _profile_file(name_or_path)
    shown = name_or_path if name_or_path in shipped_profiles() else storage.redact(file)
    values = _read(file, shown, 0)
    values.setdefault("name", file.rpartition("/")[2].rpartition(".")[0])
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        message = invalid_fields(error, shown, Profile, hidden=_HIDDEN, patterns=_PATTERNS)
        raise EarthenwareError("BAD_PROFILE", message, _REMEDY) from None


def _read(file: str, shown: str, depth: int) -> dict[str, Any]:
    try:
        values = load_yaml(file)
    except EarthenwareError as error:
        if error.code == "NO_SPEC":
            raise EarthenwareError("UNKNOWN_PROFILE", f"There is no profile '{shown}'.", _REMEDY) from None
        if error.code == "BAD_YAML":
            raise EarthenwareError("BAD_PROFILE", error.message, _REMEDY) from None
        raise
    secret = _find_secret(values)
    if secret:
        message = f"{shown}: {secret} looks like a secret, and a profile holds none."
        remedy = "Keep it in a Secret on the cluster and name it: secrets: [{variable: …, secret: …, key: …}]."
        raise EarthenwareError("BAD_PROFILE", message, remedy)
    values = {key: value for key, value in values.items() if value is not None}  # a heading with nothing below it
    base = values.get("base") or ""
    if not base:
        return values
    if not isinstance(base, str) or depth >= _LONGEST_CHAIN:
        message = f"{shown}: base = {str(base)[:80]!r}: write one profile's name or file, not a circle."
        raise EarthenwareError("BAD_PROFILE", message, _REMEDY)
    beside = Path(file).parent / base
    name = str(beside) if "://" not in file and base not in shipped_profiles() and beside.is_file() else base
    below = _read(_profile_file(name), name, depth + 1)
    below.pop("name", None)
    below.pop("description", None)
    return merge(below, values)


def _find_secret(values: Any) -> str:
    """Return the dotted path of the first secret in nested plain values; empty when there is none.

    Below ``secrets`` stand only names: a field there that refers to none is taken for the secret itself.
    """
    for path, value in _leaves(values, ()):
        entry = len(path) >= 3 and path[-3] == "secrets" and path[-1] not in _REFERENCE
        variable = len(path) >= 2 and path[-2] == "environment"
        if entry or looks_secret(path[-1] if variable else "", value):
            return ".".join(path)
    return ""


def _leaves(values: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(values, Mapping | list | tuple):
        for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, values
