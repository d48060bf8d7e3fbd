"""Bootstrap intervals that resample sites: chips of one site are not independent draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.metrics._scores import SCORES, confusion_matrix

LEVEL = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A value with the percentile interval of its bootstrap.

    Attributes:
        value: The score, or difference of scores, on all records.
        low: Lower end of the interval; NaN when there are fewer than two sites.
        high: Upper end of the interval; NaN when there are fewer than two sites.
        sites: Number of sites that were resampled.
    """

    value: float
    low: float
    high: float
    sites: int


def _weights(sites: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each site is drawn in each resample, `[resample, site]`."""
    draws = np.random.default_rng(seed).multinomial(sites, np.full(sites, 1.0 / sites), size=resamples)
    return draws.astype(np.float64)


def _by_site(
    truth: NDArray[Any], predicted: NDArray[Any], site: NDArray[np.intp], sites: int, classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Confusion matrix of every site, `[site, true class, predicted class]`."""
    return np.stack([confusion_matrix(truth[site == p], predicted[site == p], classes) for p in range(sites)])


def _interval(value: float, samples: NDArray[np.float64], sites: int) -> Interval:
    samples = samples[~np.isnan(samples)]
    if sites < 2 or not len(samples):
        return Interval(value, np.nan, np.nan, sites)
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), sites)


def score_interval(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    sites: NDArray[Any],
    *,
    score: str = "balanced_accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Score predictions with a 95 % interval from resampled sites.

    Args:
        truth: True labels `[record]`.
        predicted: Predicted labels `[record]`.
        sites: The site of each record `[record]`; records of one site are drawn together.
        score: A name in ``SCORES``.
        resamples: Number of bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The score and its percentile interval. With few sites (say under 10) such an interval is too narrow:
        it cannot know of sites unlike those it has.

    Raises:
        ValueError: When the lengths differ or there is no record.
    """
    if not len(truth) or len(truth) != len(sites):
        raise ValueError(f"{len(truth)} records have {len(sites)} sites")
    names, site = np.unique(sites, return_inverse=True)
    matrices = _by_site(truth, predicted, site, len(names), np.unique(np.concatenate([truth, predicted])))
    function = SCORES[score]
    samples = function(np.tensordot(_weights(len(names), resamples, seed), matrices, axes=1))
    return _interval(float(function(matrices.sum(0))), samples, len(names))


def paired_difference(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    baseline: NDArray[Any],
    sites: NDArray[Any],
    *,
    score: str = "balanced_accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Difference of two predictions' scores with a 95 % interval; both are scored on the same resampled sites.

    Args:
        truth: True labels `[record]`.
        predicted: Predicted labels `[record]`.
        baseline: The other predicted labels `[record]`; the difference is predicted minus baseline.
        sites: The site of each record `[record]`.
        score: A name in ``SCORES``.
        resamples: Number of bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The difference and its percentile interval.

    Raises:
        ValueError: When the lengths differ or there is no record.
    """
    if not len(truth) or len(truth) != len(sites):
        raise ValueError(f"{len(truth)} records have {len(sites)} sites")
    names, site = np.unique(sites, return_inverse=True)
    classes = np.unique(np.concatenate([truth, predicted, baseline]))
    function, weights = SCORES[score], _weights(len(names), resamples, seed)
    values, samples = [], []
    for labels in (predicted, baseline):
        matrices = _by_site(truth, labels, site, len(names), classes)
        values.append(float(function(matrices.sum(0))))
        samples.append(function(np.tensordot(weights, matrices, axes=1)))
    return _interval(values[0] - values[1], samples[0] - samples[1], len(names))
