from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from earthenware.pages import (
    encode_jpeg,
    encode_png,
    natural_colour,
    shade,
    ticks,
)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(2, 12))
def test_ticks_are_round_and_enclose_the_values(low, width, count):
    high = low + max(width, 1e-3)
    marks = ticks(low, high, count)
    steps = np.diff(marks)
    assert marks[0] <= low + 1e-6 * steps[0]
    assert marks[-1] >= high - 1e-6 * steps[0]
    assert np.allclose(steps, steps[0], rtol=1e-4)
    assert len(marks) <= 3 * count


def test_stretch_keeps_flat_scenes_flat():
    random = np.random.default_rng(0)
    flat = shade("optical", 400 + random.normal(0, 10, (3, 32, 32)))
    assert flat.std() < 6
    assert shade("radar", -20 + random.normal(0, 0.1, (1, 32, 32))).std() < 6
    assert shade("elevation", 100 + random.normal(0, 0.1, (1, 32, 32))).std((0, 1)).max() < 6
    steep = shade("elevation", np.linspace(0, 1000, 32)[:, None] * np.ones((1, 32, 32))).astype(int).sum(-1)
    assert (np.diff(steep[:, 0]) > 0).all()  # lighter and lighter, so that it reads without colour
    assert (shade("radar", np.full((1, 4, 4), np.nan)) == (205, 205, 200)).all()


def test_a_thumbnail_is_dark_where_the_ground_is_dark():
    dark, bright = natural_colour(np.full((3, 4, 4), 300.0)), natural_colour(np.full((3, 4, 4), 2800.0))
    assert dark.max() < 60
    assert (bright == 255).all()
    assert (natural_colour(np.full((3, 4, 4), np.nan)) == 128).all()
    assert natural_colour(np.full((3, 4, 4), 9000.0)).max() == 255  # snow is white, not clipped to nothing


def test_pictures_are_encoded_as_they_are():
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(encode_png(picture)))) == picture).all()
    assert Image.open(io.BytesIO(encode_jpeg(picture, 80))).size == (60, 40)
    assert Image.open(io.BytesIO(encode_jpeg(picture, 80, 30))).size == (30, 20)
