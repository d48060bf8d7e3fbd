"""Where, when and in what light: fixed encodings without aliases and without wrap errors."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

TEMPERATURE: Final = 10_000.0
"""Ratio of the fastest to the slowest frequency, as in "Attention Is All You Need" (Vaswani et al., 2017)."""

PLACE_FEATURES: Final = 3
TIME_FEATURES: Final = 5
DAY_SECONDS: Final = 86_400.0
EPOCH_YEAR: Final = 2020.0
YEAR_RANGE: Final = 20.0
"""Years on either side of ``EPOCH_YEAR`` over which the year's term runs from -1 to 1."""


def encode_positions(rows: int, columns: int, scale: Tensor, dim: int) -> Tensor:
    """Encode the places of a grid of patches.

    Positions, not frequencies, are multiplied by the scale, so that patches that lie equally far apart on the ground
    get encodings that are equally far apart whatever the resolution, over the whole range of frequencies (as in
    "Scale-MAE", Reed et al., 2023).

    Args:
        rows: Patches along y.
        columns: Patches along x.
        scale: ``[batch]`` ground sampling distance over the reference one.
        dim: Length of an encoding; a multiple of 4.

    Returns:
        ``[batch, rows * columns, dim]`` float32: sine and cosine of x, then of y.
    """
    device = scale.device
    y, x = torch.meshgrid(
        torch.arange(rows, device=device, dtype=torch.float32),
        torch.arange(columns, device=device, dtype=torch.float32),
        indexing="ij",
    )
    scale = scale.to(torch.float32)[:, None]
    return torch.cat([_sincos(x.flatten() * scale, dim // 2), _sincos(y.flatten() * scale, dim // 2)], dim=-1)


def encode_wavelengths(wavelengths_nm: Tensor, dim: int) -> Tensor:
    """Encode wavelengths ``[band]`` in nanometres, so that neighbouring bands stay apart: ``[band, dim]`` float32.

    In nanometres the fastest frequency turns once in 6 nm, so that bands a few tens of nanometres apart differ in many
    components; in micrometres all optical bands would look alike.
    """
    return _sincos(wavelengths_nm.to(torch.float64), dim).to(torch.float32)


def place_features(lonlat: Tensor) -> Tensor:
    """Return unit vectors ``[batch, 3]`` float32 of longitude and latitude ``[batch, 2]`` in degrees.

    So there is no seam at the 180th meridian, and one value at a pole.
    """
    lon, lat = torch.deg2rad(lonlat.to(torch.float64)).unbind(-1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1).to(torch.float32)


def time_features(timestamp: Tensor) -> Tensor:
    """Return season and hour as points on circles, and the year as a bounded linear term.

    A year's last moment and the next one's first are neighbours on both circles, and any two moments of a year differ.

    Returns:
        ``[batch, 5]`` float32 for ``[batch]`` seconds since 1970-01-01 UTC: sine and cosine of the share of the year
        that has passed, of the share of the UTC day, and the years since 2020 over 20, cut to -1..1.
    """
    seconds = timestamp.to(torch.float64)
    days = torch.floor(seconds / DAY_SECONDS)
    year = 1970.0 + torch.floor(days / 365.2425)
    # The mean length of a year may put its first or last day into the neighbouring one.
    year = year - (days < _year_start(year)).to(year.dtype)
    year = year + (days >= _year_start(year + 1.0)).to(year.dtype)
    start = _year_start(year)
    of_year = (seconds / DAY_SECONDS - start) / (_year_start(year + 1.0) - start)
    of_day = seconds / DAY_SECONDS - days
    turns = 2.0 * math.pi * torch.stack([of_year, of_day], dim=-1)
    linear = ((year + of_year - EPOCH_YEAR) / YEAR_RANGE).clamp(-1.0, 1.0)
    circles = torch.stack([turns.sin(), turns.cos()], dim=-1).flatten(-2)
    return torch.cat([circles, linear[..., None]], dim=-1).to(torch.float32)


def _year_start(year: Tensor) -> Tensor:
    """Days from 1970-01-01 to the first of January of a Gregorian year."""
    before = year - 1.0
    leaps = torch.floor(before / 4.0) - torch.floor(before / 100.0) + torch.floor(before / 400.0)
    return 365.0 * (year - 1970.0) + leaps - 477.0  # 477 leap days lie before 1970


def _sincos(values: Tensor, dim: int) -> Tensor:
    """Sine and cosine of ``values`` at ``dim / 2`` frequencies from 1 down to 1 / TEMPERATURE: ``[..., dim]``."""
    count = dim // 2
    exponents = torch.arange(count, device=values.device, dtype=torch.float64) / max(count - 1, 1)
    angles = values[..., None] * (TEMPERATURE**-exponents).to(values.dtype)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
