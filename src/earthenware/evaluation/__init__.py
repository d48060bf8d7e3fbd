"""Evaluation: reconstruction, land-cover probes and collapse, each beside what takes no training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.evaluation._evaluate import evaluate
    from earthenware.evaluation._spec import EvaluateSpec
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["EvaluateSpec", "evaluate"]
