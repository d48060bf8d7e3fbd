"""Principal components, and their picture as colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def principal_components(features: NDArray[Any], count: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project features on their directions of largest variance.

    Args:
        features: `[record, dimension]`.
        count: Number of components.

    Returns:
        Scores `[record, count]` and the share of the variance that each holds `[count]`. A component's sign is chosen
        so that its largest loading is positive; components that do not exist are 0.
    """
    values = np.asarray(features, np.float64)
    centred = values - values.mean(0) if len(values) else values
    scores, shares = np.zeros((len(values), count)), np.zeros(count)
    if min(centred.shape) == 0:
        return scores, shares
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    found = min(count, len(singular))
    directions = directions[:found]
    largest = directions[np.arange(found), np.abs(directions).argmax(1)]
    scores[:, :found] = centred @ (directions * np.where(largest < 0, -1.0, 1.0)[:, None]).T
    variance = singular**2
    if variance.sum() > 0:
        shares[:found] = variance[:found] / variance.sum()
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
