"""Evaluation: reconstruction, land-cover probes and collapse, each beside what takes no training; and the report."""

from __future__ import annotations

from earthenware.evaluation._evaluate import evaluate
from earthenware.evaluation._report import report
from earthenware.evaluation._spec import EvaluateSpec, ReportSpec

__all__ = ["EvaluateSpec", "ReportSpec", "evaluate", "report"]
