"""All expectations: what a store must keep to, their names and their severities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from earthenware.validation._check import Check, Severity
from earthenware.validation._index import index_checks
from earthenware.validation._limits import Limits
from earthenware.validation._offsets import offset_checks
from earthenware.validation._pixels import pixel_checks
from earthenware.validation._store import store_checks


def checks(spec: Limits, gsd: float) -> list[Check]:
    """Return the expectations of a spec about a store of this ground sampling distance (m)."""
    changed: dict[str, Severity] = {**dict.fromkeys(spec.fail, "fail"), **dict.fromkeys(spec.warn, "warn")}
    every = [*index_checks(spec, gsd), *pixel_checks(spec), *offset_checks(spec), *store_checks(spec)]
    return [replace(check, severity=changed.get(check.name, check.severity)) for check in every]


EXPECTATIONS: Final[Mapping[str, Severity]] = MappingProxyType(
    {check.name: check.severity for check in checks(Limits(), 1.0)}
)
"""The expectations by name, and whether a breach closes the gate unless a spec says otherwise."""
