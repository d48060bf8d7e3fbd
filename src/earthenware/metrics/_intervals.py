"""Bootstrap intervals that resample sites: chips of one site are not independent draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from earthenware.metrics._scores import SCORES, confusion_matrix

LEVEL = 0.95
RESAMPLES = 2000


class Interval(BaseModel):
    """A value with the percentile interval of its bootstrap.

    Attributes:
        value: The score, or difference of scores, on all records.
        low: Lower end of the interval; None when there are fewer than two sites.
        high: Upper end of the interval; None when there are fewer than two sites.
        sites: Number of sites that were resampled.
    """

    model_config = ConfigDict(frozen=True)

    value: float
    low: float | None
    high: float | None
    sites: int


def _resampled(
    truth: NDArray[Any], predictions: list[NDArray[Any]], sites: NDArray[Any], score: str, resamples: int, seed: int
) -> tuple[list[tuple[float, NDArray[np.float64]]], int]:
    """Score each of some predictions on all records and on the same resampled sites; return the number of sites too."""
    if not len(truth) or len(truth) != len(sites):
        raise ValueError(f"{len(truth)} records have {len(sites)} sites")
    names, site = np.unique(sites, return_inverse=True)
    number, classes = len(names), np.unique(np.concatenate([truth, *predictions]))
    draws = np.random.default_rng(seed).multinomial(number, np.full(number, 1.0 / number), size=resamples)
    scored = []
    for predicted in predictions:
        own = [confusion_matrix(truth[site == one], predicted[site == one], classes) for one in range(number)]
        by_site = np.stack(own)  # [site, true class, predicted class]
        samples = SCORES[score](np.tensordot(draws.astype(np.float64), by_site, axes=1))
        scored.append((float(SCORES[score](by_site.sum(0))), samples))
    return scored, number


def _interval(value: float, samples: NDArray[np.float64], sites: int) -> Interval:
    samples = samples[~np.isnan(samples)]
    if sites < 2 or not len(samples):
        return Interval(value=value, low=None, high=None, sites=sites)
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=value, low=float(low), high=float(high), sites=sites)


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
    ((value, samples),), number = _resampled(truth, [predicted], sites, score, resamples, seed)
    return _interval(value, samples, number)


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

    As :func:`score_interval`, of ``predicted`` minus ``baseline``, the other predicted labels `[record]`.
    """
    (ours, theirs), number = _resampled(truth, [predicted, baseline], sites, score, resamples, seed)
    return _interval(ours[0] - theirs[0], ours[1] - theirs[1], number)
