"""Random fields: fractal noise by spectral synthesis, ridges, and warping of one field by others."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

Field = NDArray[np.float32]


@lru_cache(maxsize=64)
def _filter(length: int, beta: float, longest: float, shortest: float, aspect: float, angle: float) -> Field:
    """Amplitude per frequency: a power law that flattens above ``longest`` and is cut below ``shortest``."""
    fy = scipy.fft.fftfreq(length).astype(np.float32)[:, None]
    fx = scipy.fft.rfftfreq(length).astype(np.float32)[None, :]
    along = fx * np.float32(np.cos(angle)) + fy * np.float32(np.sin(angle))
    across = fy * np.float32(np.cos(angle)) - fx * np.float32(np.sin(angle))
    squared = (along * np.float32(aspect)) ** 2 + across**2
    amplitude = (squared + np.float32(1.0 / longest**2)) ** np.float32(-beta / 4.0)
    amplitude *= np.exp(-squared * np.float32(shortest**2))
    amplitude[0, 0] = 0.0
    return np.asarray(amplitude, dtype=np.float32)


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    beta: float = 3.0,
    longest: float = 200.0,
    shortest: float = 0.0,
    aspect: float = 1.0,
    angle: float = 0.0,
    periodic: bool = False,
) -> Field:
    """Draw a random field [y, x] with a power-law spectrum, mean 0 and standard deviation 1.

    Args:
        rng: Source of randomness.
        shape: Rows and columns of the result, in pixels.
        beta: Exponent of the power spectrum; 2 is rough, 4 is smooth.
        longest: Wavelength above which the spectrum is flat, in pixels.
        shortest: Wavelength below which the spectrum is cut, in pixels.
        aspect: Stretch along ``angle``; above 1 gives streaks.
        angle: Direction of the stretch, in radians from the x axis towards growing rows.
        periodic: Whether the field closes on itself, so that a roll moves it without a seam (square shapes only).
    """
    # A synthesis by Fourier transform repeats itself: a larger field, cropped, does not match at its edges.
    length = max(shape) if periodic else int(scipy.fft.next_fast_len(int(max(shape) * 1.15) + 8, real=True))
    amplitude = _filter(length, beta, longest, shortest, aspect, round(angle, 6))
    spectrum = np.empty(amplitude.shape, np.complex64)
    spectrum.real = rng.standard_normal(amplitude.shape, dtype=np.float32)
    spectrum.imag = rng.standard_normal(amplitude.shape, dtype=np.float32)
    spectrum *= amplitude
    field = scipy.fft.irfft2(spectrum, s=(length, length), workers=1)[: shape[0], : shape[1]]
    return unit(np.ascontiguousarray(field, dtype=np.float32))


def unit(field: Field) -> Field:
    """Shift and scale a field [y, x] to mean 0 and standard deviation 1."""
    centred = field - field.mean(dtype=np.float64).astype(np.float32)
    deviation = float(centred.std(dtype=np.float64))
    return np.asarray(centred / np.float32(max(deviation, 1e-9)), dtype=np.float32)


def ridged(rng: np.random.Generator, shape: tuple[int, int], *, longest: float, octaves: int = 4) -> Field:
    """Draw a field [y, x] of sharp crests between round valleys, mean 0 and standard deviation 1."""
    total = np.zeros(shape, np.float32)
    weight = np.ones(shape, np.float32)
    for octave in range(octaves):
        wavelength = longest / 2**octave
        crest = 1.0 - np.abs(fractal(rng, shape, beta=4.5, longest=wavelength, shortest=wavelength / 6)) / 1.6
        crest = np.clip(crest, 0.0, 1.0) ** 2
        # Finer crests grow on the coarser ones: valleys stay smooth, as erosion leaves them.
        total += crest * weight * np.float32(0.52**octave)
        weight = np.clip(crest * 1.6, 0.0, 1.0)
    return unit(total)


def smooth(field: NDArray[Any], sigma: float) -> Field:
    """Blur a field [y, x] with a Gaussian of ``sigma`` pixels."""
    return np.asarray(
        scipy.ndimage.gaussian_filter(field.astype(np.float32, copy=False), sigma, mode="nearest", truncate=3.0),
        dtype=np.float32,
    )
