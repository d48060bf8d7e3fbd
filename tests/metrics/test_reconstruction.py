from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.metrics import SquaredErrors, bilinear_inpainting


def of_patches(known: np.ndarray, size: int) -> np.ndarray:
    """Spread `[band, patch]` over the pixels of a square of patches, row by row."""
    side = int(known.shape[1] ** 0.5)
    return known.reshape(-1, side, side).repeat(size, 1).repeat(size, 2)


@given(st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_bilinear_surfaces_are_filled_exactly_between_known_pixels(seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:24, :24] / 24.0
    coefficients = random.normal(size=(3, 4, 1, 1))
    surface = coefficients[:, 0] + coefficients[:, 1] * x + coefficients[:, 2] * y + coefficients[:, 3] * x * y
    known = random.random((3, 24, 24)) < 0.5
    known[:, [0, -1]] = known[:, :, [0, -1]] = True  # every gap is bounded
    np.testing.assert_allclose(bilinear_inpainting(np.where(known, surface, np.nan), known), surface, atol=1e-9)


@given(st.integers(0, 500), st.floats(0.02, 0.9))
@settings(max_examples=40, deadline=None)
def test_filling_keeps_known_pixels_and_stays_in_their_range(seed, share):
    random = np.random.default_rng(seed)
    pixels = random.normal(size=(2, 16, 16))
    known = of_patches(random.random((2, 16)) < share, 4)
    filled = bilinear_inpainting(np.where(known, pixels, np.nan), known, fill=-1.0)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[known], pixels[known])
    for band in range(2):
        if known[band].any():
            assert filled[band].min() >= pixels[band][known[band]].min() - 1e-12
            assert filled[band].max() <= pixels[band][known[band]].max() + 1e-12
        else:
            assert (filled[band] == -1.0).all()


def test_filling_is_the_same_turned_by_ninety_degrees():
    random = np.random.default_rng(1)
    pixels, known = random.normal(size=(1, 20, 20)), of_patches(random.random((1, 25)) < 0.3, 4)
    turned = bilinear_inpainting(np.rot90(pixels, axes=(1, 2)), np.rot90(known, axes=(1, 2)))
    np.testing.assert_allclose(np.rot90(bilinear_inpainting(pixels, known), axes=(1, 2)), turned, atol=1e-12)


def test_filling_beats_the_mean_on_a_smooth_surface():
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(2)
    surface = gaussian_filter(random.normal(size=(4, 64, 64)), (0, 6, 6))
    surface /= surface.std()
    known = np.repeat(of_patches(random.random((1, 64)) < 0.3, 8), 4, axis=0)
    filled = bilinear_inpainting(surface, known)
    mean = surface[known].mean()
    assert ((surface - filled)[~known] ** 2).mean() < 0.6 * ((surface - mean)[~known] ** 2).mean()


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="shape"):
        bilinear_inpainting(np.zeros((1, 4, 4)), np.zeros((1, 4, 5), bool))


@given(st.integers(0, 500))
@settings(max_examples=30, deadline=None)
def test_errors_count_only_what_is_counted(seed):
    random = np.random.default_rng(seed)
    target, predicted = random.normal(size=(2, 5, 3, 4, 4))
    counted = random.random((5, 3, 4, 4)) < 0.3
    spoiled = np.where(counted, target, np.nan)
    errors = SquaredErrors(3)
    for chip in range(5):
        errors.add(spoiled[chip], predicted[chip], counted[chip])
    squares = (target - predicted) ** 2
    assert errors.mean() == pytest.approx(squares[counted].mean())
    for band in range(3):
        assert errors.mean([band]) == pytest.approx(squares[:, band][counted[:, band]].mean(), nan_ok=True)
    together = SquaredErrors(3)
    together.add(spoiled, predicted, counted)
    np.testing.assert_allclose(together.total, errors.total)


def test_nothing_counted_is_not_a_number():
    assert np.isnan(SquaredErrors(2).mean())
