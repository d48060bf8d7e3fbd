"""Metrics: arrays in, numbers out. Nothing here reads, writes or draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.metrics._collapse import CollapseDiagnostics, collapse_diagnostics
    from earthenware.metrics._components import components_to_rgb, principal_components
    from earthenware.metrics._intervals import Interval, paired_difference, score_interval
    from earthenware.metrics._neighbours import nearest_neighbours
    from earthenware.metrics._probes import band_statistics, knn_probe, linear_probe, standardise
    from earthenware.metrics._reconstruction import SquaredErrors, bilinear_inpainting
    from earthenware.metrics._scores import ClassificationScores, classification_scores
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "ClassificationScores",
    "CollapseDiagnostics",
    "Interval",
    "SquaredErrors",
    "band_statistics",
    "bilinear_inpainting",
    "classification_scores",
    "collapse_diagnostics",
    "components_to_rgb",
    "knn_probe",
    "linear_probe",
    "nearest_neighbours",
    "paired_difference",
    "principal_components",
    "score_interval",
    "standardise",
]
