from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earthenware.models import BandGroup, patchify, unpatchify
from earthenware.models._patches import mask_from_noise, valid_tokens, visible_count, visible_first


@given(
    batch=st.integers(1, 3), bands=st.integers(1, 4), rows=st.integers(1, 4), columns=st.integers(1, 4),
    size=st.integers(1, 5), seed=st.integers(0, 99),
)  # fmt: skip
def test_roundtrip(batch: int, bands: int, rows: int, columns: int, size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(batch, bands, rows * size, columns * size, generator=generator)
    patches = patchify(pixels, size)
    assert patches.shape == (batch, rows * columns, bands, size * size)
    assert torch.equal(unpatchify(patches, rows, columns), pixels)
    last = pixels[:, :, (rows - 1) * size :, (columns - 1) * size :].flatten(2)
    assert torch.equal(patches[:, -1], last)


def test_an_image_that_patches_do_not_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="5 pixels do not fill an image of 12 x 10"):
        patchify(torch.zeros(1, 1, 12, 10), 5)


@given(tokens=st.integers(0, 3000), percent=st.integers(0, 99))
def test_visible_tokens_are_counted_exactly(tokens: int, percent: int) -> None:
    expected = math.ceil((1 - Fraction(percent, 100)) * tokens)
    assert int(visible_count(torch.tensor(tokens), percent / 100)) == expected


@given(seed=st.integers(0, 999), share=st.floats(0, 1), ratio=st.sampled_from([0.0, 0.5, 0.75, 0.9]))
def test_each_sample_hides_its_share_of_valid_tokens(seed: int, share: float, ratio: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(4, 3, 10, generator=generator)
    valid = torch.rand(4, 3, 10, generator=generator) < share
    masked = mask_from_noise(noise, valid, ratio)
    assert not (masked & ~valid).any()
    for i in range(4):
        tokens = int(valid[i].sum())
        assert int(masked[i].sum()) == tokens - math.ceil((1 - ratio) * tokens)
    order = torch.randperm(4, generator=generator)
    assert torch.equal(mask_from_noise(noise[order], valid[order], ratio), masked[order])


def test_every_token_is_hidden_equally_often() -> None:
    noise = torch.rand(4000, 2, 10, generator=torch.Generator().manual_seed(3))
    often = mask_from_noise(noise, torch.ones(4000, 2, 10, dtype=torch.bool), 0.75).float().mean(0)
    assert often.sub(0.75).abs().max() < 0.03


@given(seed=st.integers(0, 999), count=st.integers(1, 12))
def test_visible_tokens_come_first(seed: int, count: int) -> None:
    visible = torch.zeros(3, 12, dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    for i in range(3):
        some = int(torch.randint(0, count + 1, (1,), generator=generator))
        visible[i, torch.randperm(12, generator=generator)[:some]] = True
    positions, present = visible_first(visible, count)
    for i in range(3):
        assert sorted(positions[i][present[i]].tolist()) == visible[i].nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("good", "min_valid", "expected"),
    [(0, 0.0, False), (1, 0.0, True), (8, 0.5, True), (7, 0.5, False), (16, 1.0, True), (15, 1.0, False)],
)
def test_a_token_needs_enough_valid_pixels(good: int, min_valid: float, expected: bool) -> None:
    valid = torch.zeros(1, 1, 2, 8, dtype=torch.bool)
    valid.flatten()[:good] = True
    assert bool(valid_tokens(valid, [BandGroup("both", (0, 1), ())], min_valid)) is expected
