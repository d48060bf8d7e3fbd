"""Classification scores as functions of a confusion matrix, so that a bootstrap can weight sites cheaply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats = NDArray[np.float64]


class ClassificationScores(BaseModel):
    """Scores of one set of predictions, each in 0..1.

    Attributes:
        accuracy: Share of the records that are right.
        balanced_accuracy: Mean over the true classes of the share that is right.
        macro_f1: Mean F1 over the classes that occur in truth or prediction.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float
    balanced_accuracy: float
    macro_f1: float


def confusion_matrix(truth: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> Floats:
    """Count records by true and predicted class, `[true class, predicted class]`.

    ``classes`` are the sorted labels that occur `[class]`; a ValueError says that the lengths differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, predicted {predicted.shape}")
    rows, columns = np.searchsorted(classes, truth), np.searchsorted(classes, predicted)
    counts = np.bincount(rows * len(classes) + columns, minlength=len(classes) ** 2)
    return counts.reshape(len(classes), len(classes)).astype(np.float64)


def _mean_where(values: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Mean of the last axis over the counted entries; NaN where none counts."""
    number = counted.sum(-1)
    total = np.where(counted, values, 0.0).sum(-1)
    return np.asarray(np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0))


def _share(numerator: Floats, denominator: Floats) -> Floats:
    return np.asarray(np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0))


def accuracy(confusion: Floats) -> Floats:
    """Share on the diagonal of `[..., class, class]`."""
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    total = confusion.sum((-2, -1))
    return np.asarray(np.divide(hits, total, out=np.full(total.shape, np.nan), where=total > 0))


def balanced_accuracy(confusion: Floats) -> Floats:
    """Mean recall over the classes that occur in truth, of `[..., class, class]`."""
    hits, true = np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1)
    return _mean_where(_share(hits, true), true > 0)


def macro_f1(confusion: Floats) -> Floats:
    """Mean F1 over the classes that occur in truth or prediction, of `[..., class, class]`."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    either = confusion.sum(-1) + confusion.sum(-2)
    return _mean_where(_share(2.0 * hits, either), either > 0)


SCORES: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}
"""Every score by name: a function from confusion matrices `[..., class, class]` to scores `[...]`."""


def classification_scores(truth: NDArray[Any], predicted: NDArray[Any]) -> ClassificationScores:
    """Score predictions against truth.

    Args:
        truth: True labels `[record]`.
        predicted: Predicted labels `[record]`.

    Returns:
        The scores; NaN for every score when there is no record.

    Raises:
        ValueError: When the lengths differ.
    """
    if not len(truth) and not len(predicted):
        return ClassificationScores(**dict.fromkeys(SCORES, np.nan))
    confusion = confusion_matrix(truth, predicted, np.unique(np.concatenate([truth, predicted])))
    return ClassificationScores(**{name: float(score(confusion)) for name, score in SCORES.items()})
