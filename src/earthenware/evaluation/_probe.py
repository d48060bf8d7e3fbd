"""Land-cover probes: the trained encoder beside the untrained one and beside band statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.evaluation._sample import LabelledChips
from earthenware.metrics import (
    classification_scores,
    knn_probe,
    linear_probe,
    paired_difference,
    score_interval,
)

FEATURES = ("trained", "untrained", "band_statistics")
"""The encoder; the same architecture with its first weights; mean and deviation of every band."""
PROBES = ("linear", "knn")
FEW_PLACES = 10
"""With fewer held-out places than this the intervals are too narrow to lean on."""


def why_not(train: LabelledChips, held_out: LabelledChips) -> str | None:
    """Return the reason why probes cannot be run, or None."""
    if not len(train) and not len(held_out):
        return "no chip has a land-cover label"
    if not len(train):
        return "no chip of the train split has a land-cover label"
    if not len(held_out):
        return "no chip of the validation split has a land-cover label"
    if len(np.unique(train.labels)) < 2:
        return "the labelled chips of the train split hold one class only"
    shared = np.intersect1d(held_out.labels, train.labels)
    if not len(shared):
        return "no class of the validation split occurs in the train split"
    if len(shared) < 2:
        return "the labelled chips of the validation split hold one class only that training has seen"
    return None


def run_probes(
    train: LabelledChips,
    held_out: LabelledChips,
    features: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    *,
    k: int,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Fit both probes on each set of features and score them on held-out places.

    Args:
        train: Chips to fit on.
        held_out: Chips to score on; those of classes that no training chip has are left out.
        features: Name -> features of the training chips and of the held-out chips, `[chip, feature]` each.
        k: Voters of the nearest-neighbour probe.
        resamples: Bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        JSON values: counts, a row per probe and set of features, and the differences that matter.
    """
    seen = np.isin(held_out.labels, train.labels)
    scored = held_out.take(seen)
    rows, predicted = [], {}
    for probe in PROBES:
        for name, (fitted, measured) in features.items():
            extra: dict[str, Any] = {}
            if probe == "knn":
                guess = knn_probe(fitted, train.labels, measured[seen], k=k)
            else:
                guess, penalty = linear_probe(fitted, train.labels, train.places, measured[seen])
                extra["inverse_penalty"] = penalty
            predicted[probe, name] = guess
            scores = classification_scores(scored.labels, guess).to_json()
            interval = score_interval(scored.labels, guess, scored.places, resamples=resamples, seed=seed).to_json()
            rows.append({"probe": probe, "features": name, **scores, "interval": interval, **extra})
    return {
        "available": True,
        "reason": None,
        "label": "most frequent ESA WorldCover class",
        "score": "balanced_accuracy",
        "chance": 1.0 / len(np.unique(scored.labels)),
        "neighbours": k,
        "train": train.summary(),
        "held_out": scored.summary(),
        "left_out": int((~seen).sum()),
        "few_places": len(np.unique(scored.places)) < FEW_PLACES,
        "results": rows,
        "differences": [
            {
                "probe": probe,
                "features": "trained",
                "baseline": baseline,
                "interval": paired_difference(
                    scored.labels,
                    predicted[probe, "trained"],
                    predicted[probe, baseline],
                    scored.places,
                    resamples=resamples,
                    seed=seed,
                ).to_json(),
            }
            for probe in PROBES
            for baseline in features
            if baseline != "trained"
        ],
    }
