"""Bootstrap intervals that resample places: chips of one place are not independent draws."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
        low: Lower end of the interval; NaN when there are fewer than two places.
        high: Upper end of the interval; NaN when there are fewer than two places.
        places: Number of places that were resampled.
    """

    value: float
    low: float
    high: float
    places: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the fields by name, with null for what could not be computed."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


def _weights(places: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each place is drawn in each resample, `[resample, place]`."""
    draws = np.random.default_rng(seed).multinomial(places, np.full(places, 1.0 / places), size=resamples)
    return draws.astype(np.float64)


def _by_place(
    truth: NDArray[Any], predicted: NDArray[Any], place: NDArray[np.intp], places: int, classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Confusion matrix of every place, `[place, true class, predicted class]`."""
    return np.stack([confusion_matrix(truth[place == p], predicted[place == p], classes) for p in range(places)])


def _interval(value: float, samples: NDArray[np.float64], places: int) -> Interval:
    samples = samples[~np.isnan(samples)]
    if places < 2 or not len(samples):
        return Interval(value, np.nan, np.nan, places)
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), places)


def score_interval(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    places: NDArray[Any],
    *,
    score: str = "balanced_accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Score predictions with a 95 % interval from resampled places.

    Args:
        truth: True labels `[record]`.
        predicted: Predicted labels `[record]`.
        places: The place of each record `[record]`; records of one place are drawn together.
        score: A name in ``SCORES``.
        resamples: Number of bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The score and its percentile interval. With few places (say under 10) such an interval is too narrow:
        it cannot know of places unlike those it has.

    Raises:
        ValueError: When the lengths differ or there is no record.
    """
    if not len(truth) or len(truth) != len(places):
        raise ValueError(f"{len(truth)} records have {len(places)} places")
    names, place = np.unique(places, return_inverse=True)
    matrices = _by_place(truth, predicted, place, len(names), np.unique(np.concatenate([truth, predicted])))
    function = SCORES[score]
    samples = function(np.tensordot(_weights(len(names), resamples, seed), matrices, axes=1))
    return _interval(float(function(matrices.sum(0))), samples, len(names))


def paired_difference(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    baseline: NDArray[Any],
    places: NDArray[Any],
    *,
    score: str = "balanced_accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Difference of two predictions' scores with a 95 % interval; both are scored on the same resampled places.

    Args:
        truth: True labels `[record]`.
        predicted: Predicted labels `[record]`.
        baseline: The other predicted labels `[record]`; the difference is predicted minus baseline.
        places: The place of each record `[record]`.
        score: A name in ``SCORES``.
        resamples: Number of bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The difference and its percentile interval.

    Raises:
        ValueError: When the lengths differ or there is no record.
    """
    if not len(truth) or len(truth) != len(places):
        raise ValueError(f"{len(truth)} records have {len(places)} places")
    names, place = np.unique(places, return_inverse=True)
    classes = np.unique(np.concatenate([truth, predicted, baseline]))
    function, weights = SCORES[score], _weights(len(names), resamples, seed)
    values, samples = [], []
    for labels in (predicted, baseline):
        matrices = _by_place(truth, labels, place, len(names), classes)
        values.append(float(function(matrices.sum(0))))
        samples.append(function(np.tensordot(weights, matrices, axes=1)))
    return _interval(values[0] - values[1], samples[0] - samples[1], len(names))
