"""Metrics: arrays in, numbers out. Nothing here reads, writes or draws."""

from __future__ import annotations

from earthenware.metrics._collapse import CollapseDiagnostics, collapse_diagnostics
from earthenware.metrics._components import components_to_rgb, principal_components
from earthenware.metrics._inpainting import bilinear_inpainting
from earthenware.metrics._intervals import Interval, paired_difference, score_interval
from earthenware.metrics._neighbours import nearest_neighbours
from earthenware.metrics._probes import knn_probe, linear_probe, standardise
from earthenware.metrics._reconstruction import SquaredErrors, masked_mean_squared_error, patches_to_pixels
from earthenware.metrics._scores import ClassificationScores, classification_scores
from earthenware.metrics._statistics import band_statistics

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
    "masked_mean_squared_error",
    "nearest_neighbours",
    "paired_difference",
    "patches_to_pixels",
    "principal_components",
    "score_interval",
    "standardise",
]
