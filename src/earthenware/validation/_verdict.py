"""The verdict: what was expected, what was found, and whether the gate is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from earthenware.sensors import SENSORS
from earthenware.validation._names import EXPECTATIONS

if TYPE_CHECKING:
    from earthenware.validation._check import Check, Tables
    from earthenware.validation._suites import Outcome


@dataclass(frozen=True)
class Verdict:
    """What ``verdict.json`` holds.

    Attributes:
        failures: Expectations that were not met and close the gate: name, column, observed, expected, sentence.
        warnings: The same for those that only warn.
        met: Expectations that were met: name, column, observed, expected.
        skipped: Expectations whose subject the store does not have.
        statistics: Figures about the store: chips, splits, sensors, bands.
    """

    failures: list[dict[str, str]]
    warnings: list[dict[str, str]]
    met: list[dict[str, str]]
    skipped: list[str]
    statistics: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether nothing closes the gate."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``verdict.json`` holds."""
        statistics = {
            **self.statistics,
            "expectations": {
                "evaluated": len(self.failures) + len(self.warnings) + len(self.met),
                "met": len(self.met),
                "failed": len(self.failures),
                "warned": len(self.warnings),
                "skipped": self.skipped,
            },
        }
        return {
            "passed": self.passed,
            "failures": self.failures,
            "warnings": self.warnings,
            "statistics": statistics,
        }


def judge(outcomes: Sequence[Outcome], tables: Tables, examined: int) -> Verdict:
    """Sort the outcomes and add the store's figures."""
    broken = [outcome for outcome in outcomes if not outcome.passed]
    evaluated = {outcome.check.name for outcome in outcomes}
    return Verdict(
        failures=[_entry(one.check, one.observed, one.sentence) for one in broken if one.check.severity == "fail"],
        warnings=[_entry(one.check, one.observed, one.sentence) for one in broken if one.check.severity == "warn"],
        met=[_entry(one.check, one.observed) for one in outcomes if one.passed],
        skipped=[name for name in EXPECTATIONS if name not in evaluated],
        statistics=_statistics(tables, examined),
    )


def _entry(check: Check, observed: str, sentence: str = "") -> dict[str, str]:
    entry = {
        "expectation": check.name,
        "column": ", ".join(check.columns),
        "observed": observed,
        "expected": check.title,
    }
    return {**entry, "sentence": sentence} if sentence else entry


def _statistics(tables: Tables, examined: int) -> dict[str, Any]:
    statistics: dict[str, Any] = {"chips": 0, "chips_examined": examined, "splits": {}, "sensors": {}, "bands": {}}
    if "chips" in tables:
        statistics["chips"] = len(tables["chips"])
        for name, key in (("scene_id", "scenes"), ("site", "places")):
            if name in tables["chips"]:
                statistics[key] = int(tables["chips"][name].nunique())
    if "splits" in tables:
        statistics["splits"] = {split: int(count) for split, count in tables["splits"].iloc[0].items()}
    if "sensors" in tables:
        found = {row.sensor: int(row.chips) for row in tables["sensors"].itertuples()}
        statistics["sensors"] = {sensor: found[sensor] for sensor in sorted(found, key=[*SENSORS, *found].index)}
    if "bands" in tables:
        for row in sorted(tables["bands"].itertuples(), key=_place):
            statistics["bands"].setdefault(row.sensor, {})[row.band] = _band(row)
    return statistics


def _place(row: Any) -> tuple[int, int]:
    """Return where a band stands in the table of sensors; bands that it does not know come last."""
    sensors = list(SENSORS)
    if row.sensor not in SENSORS or row.band not in SENSORS[row.sensor].band_names:
        return len(sensors), 0
    return sensors.index(row.sensor), SENSORS[row.sensor].band_names.index(row.band)


def _band(row: Any) -> dict[str, float | int | None]:
    def number(value: float) -> float | None:
        return round(float(value), 4) if math.isfinite(value) else None

    names = ("minimum", "mean", "maximum", "std", "nodata_fraction", "implausible_share")
    return {"pixels": int(row.valid), **{name: number(getattr(row, name)) for name in names}}
