from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earthenware.models import patchify, unpatchify


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
