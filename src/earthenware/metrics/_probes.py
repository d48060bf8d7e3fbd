"""Probes: how much a simple classifier reads out of frozen features, and the features that take no encoder."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.metrics._neighbours import nearest_neighbours

PENALTIES: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the L2 penalty among which the linear probe chooses."""

INNER_FOLDS = 3


def band_statistics(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean and standard deviation of every band over its valid pixels.

    Args:
        pixels: `[..., band, y, x]`, any unit.
        valid: True for the pixels that count, same shape.

    Returns:
        `[..., 2 * band]`: the means, then the deviations; NaN for a band without a valid pixel.

    Raises:
        ValueError: When the shapes differ.
    """
    if pixels.shape != valid.shape:
        raise ValueError(f"pixels have shape {pixels.shape}, valid {valid.shape}")
    number = valid.sum((-2, -1)).astype(np.float64)
    empty = np.where(number > 0, number, np.nan)
    values = np.where(valid, pixels, 0.0).astype(np.float64)
    mean = values.sum((-2, -1)) / empty
    spread = np.where(valid, values - np.nan_to_num(mean)[..., None, None], 0.0)
    deviation = np.sqrt((spread**2).sum((-2, -1)) / empty)
    return np.concatenate([mean, deviation], axis=-1)


def standardise(train: NDArray[Any], *others: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Centre and scale features by the training records' mean and standard deviation.

    A missing value (NaN) becomes 0, the training mean; a feature that does not vary becomes 0 for everyone.

    Args:
        train: Features `[record, feature]` that the mean and deviation come from.
        others: More features `[record, feature]` to bring on the same scale.

    Returns:
        The standardised arrays, ``train`` first.
    """
    from sklearn.preprocessing import StandardScaler

    with np.errstate(invalid="ignore"):  # a feature that nobody knows has no mean, and becomes 0 below
        scaler = StandardScaler().fit(np.asarray(train, np.float64))
    # Rounding leaves a constant feature a deviation of some 1e-16 of its size: that is not a signal.
    varies = np.sqrt(scaler.var_) > 1e-12 * np.maximum(np.abs(scaler.mean_), 1.0)
    return [np.nan_to_num(scaler.transform(np.asarray(a, np.float64))) * varies for a in (train, *others)]


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


def linear_probe(
    train_features: NDArray[Any],
    train_labels: NDArray[Any],
    train_sites: NDArray[Any],
    features: NDArray[Any],
) -> tuple[NDArray[Any], float]:
    """Label records by an L2-regularised multinomial logistic regression on standardised features.

    Args:
        train_features: `[train record, feature]`.
        train_labels: Labels `[train record]`; at least two classes.
        train_sites: Sites `[train record]`; the penalty is chosen on folds that share no site.
        features: `[record, feature]`.

    Returns:
        Predicted labels `[record]`, and the chosen inverse penalty: of ``PENALTIES`` the one with the highest mean
        balanced accuracy, the strongest among equals; 1.0 when no fold can be formed (one site, or one class in each).

    Raises:
        ValueError: When there are fewer than two classes.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    if len(np.unique(train_labels)) < 2:
        raise ValueError("a linear probe needs at least two classes")
    known = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    probe = make_pipeline(StandardScaler(), known, LogisticRegression(max_iter=200, tol=1e-3))
    folds = min(INNER_FOLDS, len(np.unique(train_sites)))
    splits = GroupKFold(folds).split(train_features, train_labels, train_sites) if folds > 1 else ()
    usable = [(fitted, judged) for fitted, judged in splits if len(np.unique(train_labels[fitted])) > 1]
    grid = {"logisticregression__C": PENALTIES if usable else (1.0,)}
    # Without a fold there is nothing to choose: the one candidate is judged by what it was fitted on.
    everything = np.arange(len(train_labels))
    search = GridSearchCV(probe, grid, scoring="balanced_accuracy", cv=usable or [(everything, everything)])
    # The matrices are small: threads would wait for each other longer than they work.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A probe that has not converged to the last digit is still a fair probe, for every feature set alike.
        warnings.simplefilter("ignore")
        search.fit(train_features, train_labels)
    return np.asarray(search.predict(features)), float(search.best_params_["logisticregression__C"])
