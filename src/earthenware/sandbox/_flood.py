"""The flood: which ground a river covers when it rises."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from earthenware.sandbox._landcover import Ground

_SHARE = 0.2  # of the ground; enough to be seen, not so much that the river's shape is lost


def inundate(ground: Ground) -> NDArray[np.bool_]:
    """Return the pixels [y, x] that stand under flood water, beyond the permanent water.

    The water rises from the river until it covers a fifth of the ground, and reaches only hollows joined to the river.
    """
    terrain = ground.terrain
    rise = terrain.above_water + 0.012 * terrain.water_distance + 0.25 * ground.structure * (ground.towns.height > 0)
    level = np.quantile(rise[~terrain.water], _SHARE)
    wet = (rise < level) | terrain.water
    labels, _ = scipy.ndimage.label(wet)
    joined = np.isin(labels, np.unique(labels[terrain.water])) & wet
    return np.asarray(scipy.ndimage.binary_opening(joined, iterations=1) & ~terrain.water)
