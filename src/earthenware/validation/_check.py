"""Expectations, declared and run: what each looks at, how grave a breach is, and the sentence that says so.

Great Expectations runs one suite per table, as a batch of its is one data frame. Its context lives in memory; nothing
is written but the Data Docs, and nothing is sent anywhere.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from earthenware.errors import first_line

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["fail", "warn"]
Tables = Mapping[str, "pd.DataFrame"]

BETWEEN: Final = "ExpectColumnValuesToBeBetween"
IN_SET: Final = "ExpectColumnValuesToBeInSet"
PAIR: Final = "ExpectColumnPairValuesToBeEqual"

_SHOWN: Final = 20
"""Offending values that the Data Docs list per expectation."""


@dataclass(frozen=True)
class Finding:
    """What Great Expectations found where an expectation was not met.

    Attributes:
        rows: The offending rows; the whole table where the expectation is about the table as one.
        total: Rows that were looked at.
        observed: The observed value, where the expectation is about one value.
    """

    rows: pd.DataFrame
    total: int
    observed: Any = None


@dataclass(frozen=True)
class Check:
    """An expectation over one table.

    Attributes:
        name: What specs, verdicts and errors call it.
        table: Name of the data frame, which is also the name of its suite.
        expectation: Class in ``great_expectations.expectations``.
        arguments: Its keyword arguments; the columns among them are read from here.
        title: What is expected, as a sentence.
        explain: Makes the sentence of a breach from the finding.
        severity: ``fail`` closes the gate, ``warn`` does not.
    """

    name: str
    table: str
    expectation: str
    arguments: Mapping[str, Any]
    title: str
    explain: Callable[[Finding], str]
    severity: Severity = "fail"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that the expectation reads."""
        keys = ("column", "column_A", "column_B")
        return tuple(str(self.arguments[key]) for key in keys if key in self.arguments)


def count_of(found: int, total: int, noun: str) -> str:
    """Return ``"3 of 120 chips"``; ``noun`` is given in the plural."""
    singular = noun.removesuffix("s") if total == 1 else noun
    return f"{found:,} of {total:,} {singular}"


def examples_of(rows: pd.DataFrame, template: str, limit: int = 3) -> str:
    """Fill ``template`` with the columns of the first rows and join them: ``"A (1.0), B (2.0) and 4 more"``."""
    named = [
        template.format(**dict(zip(rows.columns, row, strict=True))) for row in rows.head(limit).itertuples(index=False)
    ]
    rest = len(rows) - len(named)
    return ", ".join(named) + (f" and {rest:,} more" if rest else "")


def naming(noun: str, breach: str, template: str) -> Callable[[Finding], str]:
    """Return an explanation that counts the offending rows, says what is wrong with them and names the first.

    Args:
        noun: What a row is, in the plural.
        breach: What is wrong, as the predicate of a plural subject: ``"lie outside the globe"``.
        template: How one row is named, a format string over the table's columns.
    """

    def explain(finding: Finding) -> str:
        return f"{count_of(len(finding.rows), finding.total, noun)} {breach}: {examples_of(finding.rows, template)}."

    return explain


@dataclass(frozen=True)
class Outcome:
    """How one expectation came out.

    Attributes:
        check: The expectation.
        passed: Whether it was met.
        observed: What was found, in short.
        sentence: What is wrong, for a person; empty when it was met.
    """

    check: Check
    passed: bool
    observed: str
    sentence: str


def run_suites(checks: Sequence[Check], tables: Tables, docs: Path | None = None) -> list[Outcome]:
    """Validate each table that is there against the expectations on it.

    Args:
        checks: Expectations; those on a table that is not there are left out.
        tables: Data frames by name.
        docs: Local folder to write the Data Docs into; None to write none.

    Returns:
        Outcomes in the order of ``checks``.
    """
    gx = _great_expectations()
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
        suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=[_expectation(gx, one) for one in own]))
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe(table)
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        results = definition.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "COMPLETE", "partial_unexpected_count": _SHOWN},
        ).results
        by_name = {result.expectation_config.meta["name"]: result for result in results}
        outcomes |= {check.name: _outcome(check, by_name[check.name], frame) for check in own}
    if docs is not None:
        context.build_data_docs(site_names=["validation"])
        for unused in docs.glob("static/images/*.gif"):  # 3 MB of tutorial animations that no page shows
            unused.unlink()
    return [outcomes[check.name] for check in applicable]


def _great_expectations() -> Any:
    # Read at import time by some releases and at run time by others: set it before either.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return great_expectations


def _site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }


def _expectation(gx: Any, check: Check) -> Any:
    kind = getattr(gx.expectations, check.expectation)
    severity = "critical" if check.severity == "fail" else "warning"
    meta = {"name": check.name}
    return kind(**check.arguments, severity=severity, description=f"{check.name}: {check.title}", meta=meta)


def _outcome(check: Check, result: Any, frame: pd.DataFrame) -> Outcome:
    values: Mapping[str, Any] = result.result or {}
    if "unexpected_index_list" not in values and not result.success:
        why = _exception(result.exception_info)
        return Outcome(check, False, "could not be evaluated", f"{check.name} could not be evaluated: {why}.")
    unexpected = list(values.get("unexpected_index_list") or [])
    observed = f"{len(unexpected):,} of {len(frame):,} rows break it"
    if result.success:
        return Outcome(check, True, observed, "")
    return Outcome(check, False, observed, check.explain(Finding(frame.loc[sorted(unexpected)], len(frame))))


def _exception(info: Mapping[str, Any]) -> str:
    """Return the first line of an exception; Great Expectations nests it under a metric's name or not at all."""
    found = [info, *(value for value in info.values() if isinstance(value, dict))]
    messages = [str(one["exception_message"]) for one in found if one.get("exception_message")]
    return first_line((messages or ["unknown reason"])[0])
