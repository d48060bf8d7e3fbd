"""Principal components, and their picture as colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FIT_ROWS = 100_000
"""Components of more records than this are fitted to so many, evenly spaced."""


def principal_components(features: NDArray[Any], count: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project features on their directions of largest variance.

    Args:
        features: `[record, dimension]`.
        count: Number of components.

    Returns:
        Scores `[record, count]` and the share of the variance that each holds `[count]`. A component's sign is chosen
        so that its largest loading is positive; components that do not exist are 0.
    """
    from sklearn.decomposition import PCA

    values = np.asarray(features, np.float64)
    scores, shares = np.zeros((len(values), count)), np.zeros(count)
    if len(values) < 2 or not np.ptp(values, axis=0).any():
        return scores, shares
    sample = values[np.linspace(0, len(values) - 1, min(len(values), FIT_ROWS)).astype(int)]
    fitted = PCA(min(count, *sample.shape), svd_solver="covariance_eigh").fit(sample)
    found = fitted.n_components_
    scores[:, :found] = fitted.transform(values)
    shares[:found] = fitted.explained_variance_ratio_
    return scores, shares


def components_to_rgb(scores: NDArray[Any], *, low: float = 2.0, high: float = 98.0) -> NDArray[np.uint8]:
    """Stretch three components to colours between two percentiles.

    Args:
        scores: `[record, 3]`.
        low: Percentile that becomes 0.
        high: Percentile that becomes 255.

    Returns:
        `[record, 3]`, red for the first component; mid grey where a component does not vary.
    """
    if not len(scores):
        return np.zeros((0, 3), np.uint8)
    floor, ceiling = np.percentile(scores, [low, high], axis=0)
    width = ceiling - floor
    share = np.where(width > 0, (scores - floor) / np.where(width > 0, width, 1.0), 0.5)
    return np.asarray(np.round(255 * np.clip(share, 0.0, 1.0)), np.uint8)
