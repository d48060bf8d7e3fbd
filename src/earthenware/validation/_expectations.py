"""What a chip store must keep to: the expectations of ``expectations.yaml`` with the limits of a spec filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from earthenware.sensors import SENSORS
from earthenware.steps import parse_yaml

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["fail", "warn"]

_FILE: Final = "expectations.yaml"
_NOUNS: Final = {
    "gaps": "required columns",
    "scene_bands": "bands of scenes",
    "chip_bands": "bands of chips",
    **dict.fromkeys(("optical_bands", "radar_bands", "elevation_bands", "statistics"), "bands"),
    "radar_scenes": "radar scenes",
    **dict.fromkeys(("vegetation", "offsets"), "scenes"),
    **dict.fromkeys(("digests", "intact"), "drawn chips"),
}
"""What a row of a table is called, in the plural, where that is not the table's name."""


@dataclass(frozen=True)
class Check:
    """An expectation over one table, as ``expectations.yaml`` declares and explains it, with limits filled in."""

    name: str
    table: str
    column: str
    expected: str
    sentence: str
    min: Any = None
    max: Any = None
    values: tuple[Any, ...] = ()
    equals: str = ""
    unique: bool = False
    tolerated: Any = None
    example: str = ""
    shown: int = 3
    grouped: str = ""
    severity: Severity = "fail"
    limits: Mapping[str, Any] = field(default_factory=dict)

    def explain(self, rows: pd.DataFrame, total: int) -> str:
        """Return the sentence that says what is wrong with the rows that break it, of so many that were looked at."""
        noun = _NOUNS.get(self.table, self.table)
        count = f"{len(rows):,} of {total:,} {noun.removesuffix('s') if total == 1 else noun}"
        (first,) = _records(rows.head(1))
        return self.sentence.format(**{**first, **self.limits, "count": count, "examples": self._examples(rows)})

    def _examples(self, rows: pd.DataFrame) -> str:
        if self.grouped:
            rows = rows.groupby(self.grouped, sort=False, as_index=False).agg(list)
        told = [self.example.format(**row) for row in _records(rows.head(self.shown))]
        rest = len(rows) - len(told)
        if self.grouped:
            return "; ".join(told) + (f"; and {rest:,} more groups" if rest else "")
        if self.example.endswith("."):
            return " ".join(told) + (f" And {rest:,} more." if rest else "")
        return ", ".join(told) + (f" and {rest:,} more" if rest else "")


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False)]


@cache
def _declared() -> tuple[Check, ...]:
    """Return the expectations as they are declared: limits by name."""
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    return tuple(
        Check(name=name, **{**fields, "values": tuple(fields.get("values", ()))})
        for name, fields in parse_yaml(text, _FILE).items()
    )


def checks(given: Mapping[str, Any]) -> list[Check]:
    """Return the expectations with the limits that :meth:`ValidateSpec.limits` gives filled in."""
    codes = (str(code) for sensor in SENSORS.values() for code in sensor.legend)
    limits = {**given, "land_cover_codes": ", ".join(codes)}
    changed: dict[str, Severity] = {**dict.fromkeys(given["fail"], "fail"), **dict.fromkeys(given["warn"], "warn")}

    def value(stated: Any) -> Any:
        return limits[stated] if isinstance(stated, str) else stated

    return [
        replace(
            check,
            min=value(check.min),
            max=value(check.max),
            tolerated=value(check.tolerated),
            expected=check.expected.format(**limits),
            severity=changed.get(check.name, check.severity),
            limits=limits,
        )
        for check in _declared()
    ]


EXPECTATIONS: Final[Mapping[str, Severity]] = MappingProxyType({check.name: check.severity for check in _declared()})
"""The expectations by name, and whether a breach closes the gate unless a spec says otherwise."""
