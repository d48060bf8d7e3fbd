"""The report of a run: one self-contained page about its data, model, evaluation and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.report._report import report
    from earthenware.report._spec import ReportSpec
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["ReportSpec", "report"]
