"""Probes: how much a simple classifier reads out of frozen features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.metrics._neighbours import nearest_neighbours
from earthenware.metrics._scores import classification_scores

PENALTIES: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the L2 penalty among which the linear probe chooses."""

INNER_FOLDS = 3


def standardise(train: NDArray[Any], *others: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Centre and scale features by the training records' mean and standard deviation.

    A missing value (NaN) becomes 0, the training mean; a feature that does not vary becomes 0 for everyone.

    Args:
        train: Features `[record, feature]` that the mean and deviation come from.
        others: More features `[record, feature]` to bring on the same scale.

    Returns:
        The standardised arrays, ``train`` first.
    """
    values = np.asarray(train, np.float64)
    known = ~np.isnan(values)
    number = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0.0).sum(0) / number
    deviation = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(0) / number)
    # Rounding leaves a constant feature a deviation of some 1e-16 of its size: that is not a signal.
    varies = deviation > 1e-12 * np.maximum(np.abs(mean), 1.0)
    scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    return [np.nan_to_num((np.asarray(a, np.float64) - mean) * scale) for a in (train, *others)]


def knn_probe(
    train_features: NDArray[Any], train_labels: NDArray[Any], features: NDArray[Any], *, k: int = 5
) -> NDArray[Any]:
    """Label records by a vote of their nearest training records under the cosine distance.

    Features are standardised first, so that features of different units (band statistics) and of one unit
    (embeddings) are treated alike. A tied vote goes to the class whose voters are nearer in sum.

    Args:
        train_features: `[train record, feature]`.
        train_labels: Labels `[train record]`.
        features: `[record, feature]`.
        k: Number of voters; at most all training records vote.

    Returns:
        Predicted labels `[record]`.
    """
    classes, codes = np.unique(train_labels, return_inverse=True)
    train, queries = standardise(train_features, features)
    indices, distances = nearest_neighbours(queries, train, min(k, len(train)))
    votes = np.zeros((len(queries), len(classes)))
    np.add.at(votes, (np.arange(len(queries))[:, None], codes[indices]), 1.0)
    nearness = np.zeros_like(votes)
    # Cosine distances are at most 2: three less is positive, and k times it stays below one vote after scaling.
    np.add.at(nearness, (np.arange(len(queries))[:, None], codes[indices]), 3.0 - distances)
    return np.asarray(classes[np.argmax(votes + nearness / (4.0 * k), axis=1)])


def _fit(features: NDArray[np.float64], labels: NDArray[Any], penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # The matrices are small: threads would wait for each other longer than they work.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A probe that has not converged to the last digit is still a fair probe, for every feature set alike.
        warnings.simplefilter("ignore")
        return LogisticRegression(C=penalty, max_iter=200, tol=1e-3).fit(features, labels)


def choose_penalty(features: NDArray[Any], labels: NDArray[Any], places: NDArray[Any]) -> float:
    """Choose the penalty by cross-validation whose folds never share a place.

    Args:
        features: `[record, feature]`.
        labels: `[record]`.
        places: `[record]`.

    Returns:
        The value of ``PENALTIES`` with the highest mean balanced accuracy; the strongest penalty among equals;
        1.0 when no fold can be formed (one place, or folds with one class).
    """
    from sklearn.model_selection import GroupKFold

    folds = min(INNER_FOLDS, len(np.unique(places)))
    if folds < 2:
        return 1.0
    totals, used = np.zeros(len(PENALTIES)), 0
    for train, held_out in GroupKFold(folds).split(features, labels, places):
        if len(np.unique(labels[train])) < 2:
            continue
        inner, outer = standardise(features[train], features[held_out])
        used += 1
        for i, penalty in enumerate(PENALTIES):
            predicted = _fit(inner, labels[train], penalty).predict(outer)
            totals[i] += classification_scores(labels[held_out], predicted).balanced_accuracy
    return PENALTIES[int(np.argmax(totals))] if used else 1.0


def linear_probe(
    train_features: NDArray[Any],
    train_labels: NDArray[Any],
    train_places: NDArray[Any],
    features: NDArray[Any],
) -> tuple[NDArray[Any], float]:
    """Label records by an L2-regularised multinomial logistic regression.

    Args:
        train_features: `[train record, feature]`.
        train_labels: Labels `[train record]`; at least two classes.
        train_places: Places `[train record]`; the penalty is chosen on folds that share no place.
        features: `[record, feature]`.

    Returns:
        Predicted labels `[record]`, and the chosen inverse penalty.

    Raises:
        ValueError: When there are fewer than two classes.
    """
    if len(np.unique(train_labels)) < 2:
        raise ValueError("a linear probe needs at least two classes")
    penalty = choose_penalty(train_features, train_labels, train_places)
    train, queries = standardise(train_features, features)
    return np.asarray(_fit(train, train_labels, penalty).predict(queries)), penalty
