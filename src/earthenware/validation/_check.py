"""One expectation, declared: what it looks at, how grave a breach is, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["fail", "warn"]
Tables = Mapping[str, "pd.DataFrame"]


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
