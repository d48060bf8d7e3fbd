"""Pixels to pictures: one stretch per panel, colours that colour-blind readers can tell apart, no axes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import Mask

Picture = NDArray[np.uint8]

MISSING = (205, 205, 200)
"""What stands where nothing was measured."""

GREY = 128
"""The same in a thumbnail."""

FLAG_COLOURS: dict[Mask, tuple[int, int, int]] = {
    # Later flags lie over earlier ones. The hues are those of Okabe and Ito, told apart under all colour blindness.
    Mask.WATER: (0, 114, 178),
    Mask.SNOW: (86, 180, 233),
    Mask.SHADOW: (80, 80, 90),
    Mask.CLOUD: (230, 159, 0),
    Mask.SATURATED: (213, 94, 0),
    Mask.NODATA: MISSING,
}
CLEAR = (240, 240, 232)
RELIEF = ((28, 62, 62), (62, 96, 74), (122, 132, 88), (184, 164, 112), (222, 202, 164), (250, 246, 236))
"""Colours from low to high ground, ever lighter, so that they rank without colour vision too."""


class Stretch:
    """A linear stretch between two percentiles of the pixels of a panel.

    Args:
        values: Pixels that set the percentiles, NaN where there are none, bands first: `[band, ...]`.
        low: Percentile that becomes black.
        high: Percentile that becomes white.
        together: Whether all bands share one stretch, which keeps the colours of the ground.
        least: Smallest difference between black and white: noise over a flat scene is not to look like a scene.
        gamma: Exponent of a display's curve.
    """

    def __init__(
        self, values: NDArray[Any], low: float, high: float, *, least: float, together: bool = False, gamma: float = 1.0
    ) -> None:
        flat = np.asarray(values, np.float64).reshape(len(values), -1)
        rows = flat.reshape(1, -1) if together else flat
        limits = [
            np.percentile(row[np.isfinite(row)], [low, high]) if np.isfinite(row).any() else (0, 1) for row in rows
        ]
        floor, ceiling = np.array(limits, np.float64).T
        shape = (-1,) + (1,) * (np.ndim(values) - 1)
        width = np.maximum(ceiling - floor, least)
        self.floor = ((floor + ceiling - width) / 2).reshape(shape)
        self.width = width.reshape(shape)
        self.gamma = gamma

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values in 0..1, NaN where they are NaN."""
        return np.asarray(np.clip((values - self.floor) / self.width, 0.0, 1.0) ** (1.0 / self.gamma))


STRETCHES: Final[Mapping[str, Callable[[NDArray[Any]], Stretch]]] = {
    # Reflectance times 10000, over at least a tenth.
    "optical": partial(Stretch, low=1.0, high=99.0, least=1000.0, together=True, gamma=1.4),
    # dB, over at least 8 dB: speckle alone takes that much.
    "radar": partial(Stretch, low=2.0, high=98.0, least=8.0),
    # Metres, over at least 30 m.
    "elevation": partial(Stretch, low=0.5, high=99.5, least=30.0),
}
"""The stretch of bands `[band, ...]` in physical units, by the kind of their sensor."""


def shade(kind: str, values: NDArray[Any], stretch: Stretch | None = None, *, gsd: float | None = None) -> Picture:
    """Picture bands as `[y, x, 3]`: optical ones in true colour, radar in greys, elevation from low to high.

    Args:
        kind: Kind of the sensor.
        values: `[band, y, x]` in physical units, NaN where there are none: red, green and blue; or one band.
        stretch: The stretch; None for that of ``values``.
        gsd: Ground sampling distance in metres, to light the slopes of an elevation from the north-west; None for no
            light.
    """
    shares = (stretch or STRETCHES[kind](values))(values)
    if kind == "elevation":
        return _relief(values[0], shares[0], gsd)
    return _bytes(np.moveaxis(np.broadcast_to(shares, (3, *shares.shape[1:])), 0, -1))


def _relief(height: NDArray[Any], shares: NDArray[np.float64], gsd: float | None) -> Picture:
    steps = np.linspace(0.0, 1.0, len(RELIEF))
    colours = np.stack([np.interp(np.nan_to_num(shares), steps, band) for band in np.array(RELIEF).T / 255], axis=-1)
    known = np.isfinite(height)
    if gsd is not None:
        filled = np.where(known, height, np.nanmean(height) if known.any() else 0.0)
        down, right = np.gradient(filled, gsd) if min(height.shape) > 1 else (np.zeros_like(filled),) * 2
        # Slopes are exaggerated so that gentle terrain shows.
        light = 1.0 + np.clip(3.0 * (right + down) / np.sqrt(2.0), -0.35, 0.35)
        colours = np.clip(colours * light[..., None], 0, 1)
    return _bytes(np.where(known[..., None], colours, np.nan))


def _bytes(shares: NDArray[np.float64]) -> Picture:
    """Turn `[y, x, 3]` in 0..1 into bytes; NaN becomes the colour of missing pixels."""
    missing = ~np.isfinite(shares).all(-1, keepdims=True)
    return np.where(missing, np.array(MISSING), np.round(255 * np.nan_to_num(shares))).astype(np.uint8)


def natural_colour(rgb: NDArray[Any], ceiling: float = 2800.0) -> Picture:
    """Picture red, green and blue `[3, y, x]` as `[y, x, 3]` so that it compares across chips.

    Args:
        rgb: Reflectance times 10000; NaN where nothing was measured, which becomes grey.
        ceiling: The reflectance times 10000 that becomes white; fixed, so that dark places stay dark. A chip
            that is brighter than this (cloud, snow, sand) lifts it to its own 98th percentile.
    """
    values = np.asarray(rgb, np.float64)
    known = np.isfinite(values)
    bright = float(np.percentile(values[known], 98)) if known.any() else ceiling
    # Land reflects 2 to 15 %: on a linear scale that is nearly black.
    shown = np.clip(np.nan_to_num(values) / max(ceiling, bright), 0.0, 1.0) ** (1 / 1.4)
    return np.asarray(np.moveaxis(np.where(known, np.round(255.0 * shown), GREY), 0, -1), np.uint8)


def shade_flags(flags: NDArray[np.uint8]) -> Picture:
    """Picture quality flags `[y, x]` in the colours of ``FLAG_COLOURS``; pixels without a flag are pale."""
    picture = np.empty((*flags.shape, 3), np.uint8)
    picture[:] = CLEAR
    for flag, colour in FLAG_COLOURS.items():
        picture[(flags & flag) != 0] = colour
    return picture


def hatch(picture: Picture, hidden: NDArray[np.bool_]) -> Picture:
    """Cover hidden pixels `[y, x]` with a hatched grey that no picture holds."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    lines = np.where(((x + y) % 4 == 0)[..., None], np.array((150, 150, 150)), np.array((120, 120, 124)))
    return np.where(hidden[..., None], lines, picture).astype(np.uint8)


def montage(rows: Sequence[Sequence[Picture]], gap: int = 2) -> Picture:
    """Lay pictures of one size out in rows on white, so many pixels apart."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    result = np.full((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            result[top : top + height, left : left + width] = picture
    return result


def encode_png(picture: Picture) -> bytes:
    """Encode as PNG."""
    from PIL import Image

    return _encode(Image.fromarray(picture), format="PNG")


def encode_jpeg(picture: Picture, quality: int, longest: int | None = None, *, full_colour: bool = True) -> bytes:
    """Encode as JPEG.

    Args:
        picture: `[y, x, 3]`.
        quality: 1 to 95.
        longest: Longest edge in pixels that the picture is reduced to; None to leave it as it is.
        full_colour: Keep colours at every pixel, which single-pixel patterns need; otherwise at every second one.
    """
    from PIL import Image

    image = Image.fromarray(picture)
    if longest is not None:
        image.thumbnail((longest, longest), Image.Resampling.BOX)
    return _encode(image, format="JPEG", quality=quality, **({"subsampling": 0} if full_colour else {}))


def _encode(image: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, optimize=True, **options)
    return buffer.getvalue()
