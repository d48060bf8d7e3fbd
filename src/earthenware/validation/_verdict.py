"""The verdict: the outcomes sorted, the store in figures, and the page that shows both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from earthenware.pages import render
from earthenware.products import BandFigures, Breach, Met, StoreFigures, Verdict
from earthenware.sensors import SENSORS
from earthenware.validation._expectations import EXPECTATIONS
from earthenware.validation._suites import Outcome, Tables


def judge(outcomes: Sequence[Outcome], tables: Tables, examined: int) -> Verdict:
    """Sort the outcomes and add the store's figures."""
    broken = [outcome for outcome in outcomes if not outcome.passed]
    failures, warnings = (
        [Breach(**_facts(one), sentence=one.sentence) for one in broken if one.check.severity == severity]
        for severity in ("fail", "warn")
    )
    evaluated = {outcome.check.name for outcome in outcomes}
    return Verdict(
        passed=not failures,
        failures=failures,
        warnings=warnings,
        met=[Met(**_facts(one)) for one in outcomes if one.passed],
        skipped=[name for name in EXPECTATIONS if name not in evaluated],
        statistics=_statistics(tables, examined),
    )


def render_page(verdict: Verdict, store: str) -> str:
    """Return the verdict as a page that calls the store by ``store``, its URI without credentials."""
    units = {one.id: one.unit.replace("*", "\N{MULTIPLICATION SIGN}") for one in SENSORS.values()}
    return render(__package__, "verdict.html", verdict=verdict, figures=verdict.statistics, store=store, units=units)


def _facts(outcome: Outcome) -> dict[str, str]:
    check = outcome.check
    columns = ", ".join(filter(None, (check.column, check.equals)))
    return {"expectation": check.name, "column": columns, "observed": outcome.observed, "expected": check.expected}


def _statistics(tables: Tables, examined: int) -> StoreFigures:
    if "chips" not in tables:
        return StoreFigures(chips_examined=examined)
    chips = tables["chips"]
    bands: dict[str, dict[str, BandFigures]] = {}
    if "bands" in tables:
        for row in sorted(tables["bands"].itertuples(), key=_rank):
            bands.setdefault(row.sensor, {})[row.band] = _band(row)
    found = {row.sensor: int(row.chips) for row in tables["sensors"].itertuples()}
    return StoreFigures(
        chips=len(chips),
        chips_examined=examined,
        scenes=int(chips["scene_id"].nunique()),
        sites=int(chips["site"].nunique()),
        splits={split: int(count) for split, count in tables["splits"].iloc[0].items()},
        sensors={sensor: found[sensor] for sensor in sorted(found, key=[*SENSORS, *found].index)},
        bands=bands,
    )


def _rank(row: Any) -> tuple[int, int]:
    """Return where a band stands in the table of sensors; bands that it does not know come last."""
    sensors = list(SENSORS)
    if row.sensor not in SENSORS or row.band not in SENSORS[row.sensor].band_names:
        return len(sensors), 0
    return sensors.index(row.sensor), SENSORS[row.sensor].band_names.index(row.band)


def _band(row: Any) -> BandFigures:
    names = ("minimum", "mean", "maximum", "std", "nodata_fraction", "implausible_share")
    values = {name: float(getattr(row, name)) for name in names}
    rounded = {name: round(value, 4) if math.isfinite(value) else None for name, value in values.items()}
    return BandFigures(pixels=int(row.valid), **rounded)
