"""Land-cover probes: the trained encoder beside the untrained one and beside band statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.evaluation._sample import LabelledChips
from earthenware.metrics import (
    band_statistics,
    classification_scores,
    knn_probe,
    linear_probe,
    paired_difference,
    score_interval,
)
from earthenware.products import PROBES, Features, Probe, ProbeDifference, ProbeResult, ProbeScore

if TYPE_CHECKING:
    from earthenware.inference import Package

FEW_SITES = 10
"""With fewer held-out sites than this the intervals are too narrow to lean on."""


def statistics_features(
    store: ChipStore, package: Package, indices: NDArray[np.int64], *, batch_size: int
) -> NDArray[Any]:
    """Return mean and deviation of every band over the pixels that the encoder sees, `[chip, 2 * band]`."""
    from earthenware.inference import iterate_batches

    parts = [
        band_statistics(batch.pixels.numpy(), batch.valid.numpy())
        for _, batch in iterate_batches(store, indices, package.info, batch_size)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 2 * len(package.info.bands)))


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
    features: Mapping[Features, tuple[NDArray[Any], NDArray[Any]]],
    *,
    k: int,
    resamples: int,
    seed: int,
) -> ProbeResult:
    """Fit both probes, one with ``k`` voters, on each set of features, and score them on held-out sites.

    The features of the training chips and of the held-out chips are `[chip, feature]` each: those of the encoder, of
    the same architecture with its first weights, and mean and deviation of every band. Held-out chips of classes that
    no training chip has are left out.
    """
    seen = np.isin(held_out.labels, train.labels)
    scored = held_out.take(seen)
    rows: list[ProbeScore] = []
    predicted: dict[tuple[Probe, Features], NDArray[Any]] = {}
    for probe in PROBES:
        for name, (fitted, measured) in features.items():
            penalty = None
            if probe == "knn":
                guess = knn_probe(fitted, train.labels, measured[seen], k=k)
            else:
                guess, penalty = linear_probe(fitted, train.labels, train.sites, measured[seen])
            predicted[probe, name] = guess
            interval = score_interval(scored.labels, guess, scored.sites, resamples=resamples, seed=seed)
            rows.append(
                ProbeScore(
                    probe=probe,
                    features=name,
                    **classification_scores(scored.labels, guess).model_dump(),
                    interval=interval,
                    inverse_penalty=penalty,
                )
            )
    sites = len(np.unique(scored.sites))
    return ProbeResult(
        train=train.summary(),
        held_out=scored.summary(),
        neighbours=k,
        chance=1.0 / len(np.unique(scored.labels)),
        left_out=int((~seen).sum()),
        few_sites=sites < FEW_SITES,
        results=tuple(rows),
        differences=tuple(
            ProbeDifference(
                probe=probe,
                baseline=baseline,
                interval=paired_difference(
                    scored.labels,
                    predicted[probe, "trained"],
                    predicted[probe, baseline],
                    scored.sites,
                    resamples=resamples,
                    seed=seed,
                ),
            )
            for probe in PROBES
            for baseline in features
            if baseline != "trained"
        ),
    )
