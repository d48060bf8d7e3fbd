"""Panels of a chip: what was measured, what the model saw of it, and what it made of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from earthenware.pages import (
    Picture,
    Stretch,
    colour_stretch,
    hatch,
    height_stretch,
    montage,
    radar_stretch,
    shade_grey,
    shade_relief,
    shade_true_colour,
)
from earthenware.sensors import DEM, S1, S2

VIEWS = ("true colour", "radar VH", "elevation")
"""What the rows of a panel show, where the sensors are there."""

_VISIBLE = ("B04", "B03", "B02")


def views_of(sensors: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Return the views that a cube of these sensors has, and the bands of each as positions in the cube."""
    places: dict[tuple[str, str], int] = {}
    for sensor, bands in sensors.items():
        for band in bands:
            places[sensor, band] = len(places)
    wanted = {
        VIEWS[0]: [(S2.id, band) for band in _VISIBLE],
        VIEWS[1]: [(S1.id, "vh")],
        VIEWS[2]: [(DEM.id, "dem")],
    }
    return {view: [places[key] for key in keys] for view, keys in wanted.items() if all(k in places for k in keys)}


def _stretch(view: str, values: NDArray[np.float32]) -> Stretch:
    if view == VIEWS[0]:
        return colour_stretch(values)
    return radar_stretch(values[0]) if view == VIEWS[1] else height_stretch(values[0])


def _shade(view: str, values: NDArray[np.float32], stretch: Stretch) -> Picture:
    if view == VIEWS[0]:
        return shade_true_colour(values, stretch)
    if view == VIEWS[1]:
        return shade_grey(values[0], stretch)
    return shade_relief(values[0], stretch)  # without light, which would show the seams of patches and little else


def reconstruction_panel(
    original: NDArray[np.float32],
    visible: NDArray[np.bool_],
    filled: NDArray[np.float32],
    sensors: Mapping[str, Sequence[str]],
) -> Picture:
    """Lay out one chip: a row per view; columns are the original, what the model saw, and the filled-in chip.

    Each row has one stretch, that of its original, so that its pictures compare.

    Args:
        original: `[band, y, x]` in physical units, NaN where invalid.
        visible: `[band, y, x]`, true where the model looked.
        filled: `[band, y, x]`: the original where the model looked, its reconstruction elsewhere.
        sensors: Sensor id -> bands, which say what the bands of the cube are.
    """
    rows = []
    for view, bands in views_of(sensors).items():
        values = original[bands]
        stretch = _stretch(view, values)
        first = _shade(view, values, stretch)
        hidden = np.asarray(np.isfinite(values).all(0) & ~visible[bands].all(0))
        made = np.where(np.isfinite(values).any(0), filled[bands], np.nan)
        rows.append([first, hatch(first, hidden), _shade(view, made, stretch)])
    if not rows:
        size = original.shape[-1]
        rows = [[np.zeros((size, size, 3), np.uint8)]]
    return montage(rows)
