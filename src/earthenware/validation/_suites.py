"""Running expectations with Great Expectations.

It runs one suite per table, as a batch of its is one data frame. Its context lives in memory; nothing is written but
the Data Docs, and nothing is sent anywhere.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earthenware.errors import first_line
from earthenware.validation._expectations import Check

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]

_SHOWN: Final = 20
"""Offending values that the Data Docs list per expectation."""


@dataclass(frozen=True)
class Outcome:
    """How one expectation came out; ``sentence`` says what is wrong, and is empty when it was met."""

    check: Check
    passed: bool
    observed: str
    sentence: str


def run_suites(checks: Sequence[Check], tables: Tables, docs: Path | None = None) -> list[Outcome]:
    """Validate each table that is there against the expectations on it, and return outcomes in the order of ``checks``.

    Expectations on a table that is not there are left out. The Data Docs are written into the local folder ``docs``.
    """
    # Read at import time by some releases and at run time by others: set it before either.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    gx: Any = great_expectations  # its types are narrower than what it takes
    logger = logging.getLogger("great_expectations")
    logger.setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    context.variables.data_docs_sites = {}
    if docs is not None:
        context.add_data_docs_site("validation", _site(docs))
    source = context.data_sources.add_pandas("chips")
    applicable = [check for check in checks if check.table in tables]
    outcomes: dict[str, Outcome] = {}
    for table in dict.fromkeys(check.table for check in applicable):
        own = [check for check in applicable if check.table == table]
        frame = tables[table].reset_index(drop=True)
        expectations = [_expectation(gx.expectations, check) for check in own]
        suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=expectations))
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe(table)
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        results = definition.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "COMPLETE", "partial_unexpected_count": _SHOWN},
        ).results
        by_name = {result.expectation_config.meta["name"]: result for result in results}
        outcomes |= {check.name: _outcome(check, by_name[check.name], frame) for check in own}
    if docs is not None:
        logger.addHandler(loud := _Loud())
        try:
            context.build_data_docs(site_names=["validation"])
        finally:
            logger.removeHandler(loud)
        for unused in docs.glob("static/images/*.gif"):  # 3 MB of tutorial animations that no page shows
            unused.unlink()
    return [outcomes[check.name] for check in applicable]


class _Loud(logging.Handler):
    """Raises what is only logged while the Data Docs are written: on a full disk they would lack pages."""

    def emit(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            raise error


def _site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }


def _expectation(known: Any, check: Check) -> Any:
    common = {
        "severity": "critical" if check.severity == "fail" else "warning",
        "description": f"{check.name}: {check.expected}",
        "meta": {"name": check.name},
    }
    if check.tolerated is not None:
        common["mostly"] = 1 - check.tolerated
    if check.equals:
        return known.ExpectColumnPairValuesToBeEqual(column_A=check.column, column_B=check.equals, **common)
    if check.unique:
        return known.ExpectColumnValuesToBeUnique(column=check.column, **common)
    if check.values:
        return known.ExpectColumnValuesToBeInSet(column=check.column, value_set=list(check.values), **common)
    limits = {"min_value": check.min, "max_value": check.max}
    return known.ExpectColumnValuesToBeBetween(column=check.column, **limits, **common)


def _outcome(check: Check, result: Any, frame: pd.DataFrame) -> Outcome:
    values: Mapping[str, Any] = result.result or {}
    if "unexpected_index_list" not in values and not result.success:
        why = _exception(result.exception_info)
        return Outcome(check, False, "could not be evaluated", f"{check.name} could not be evaluated: {why}.")
    unexpected = sorted(values.get("unexpected_index_list") or [])
    observed = f"{len(unexpected):,} of {len(frame):,} rows break it"
    sentence = "" if result.success else check.explain(frame.loc[unexpected], len(frame))
    return Outcome(check, bool(result.success), observed, sentence)


def _exception(info: Mapping[str, Any]) -> str:
    """Return the first line of an exception; Great Expectations nests it under a metric's name or not at all."""
    found = [info, *(value for value in info.values() if isinstance(value, dict))]
    messages = [str(one["exception_message"]) for one in found if one.get("exception_message")]
    return first_line((messages or ["unknown reason"])[0])
