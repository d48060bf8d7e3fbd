from __future__ import annotations

from typing import Any

import pytest
import torch

from earthenware.models.mae import FAMILY, PRESETS

from .._inputs import cube


def configure(name: str = "nano", **values: Any) -> Any:
    return FAMILY.configure(name, cube(), {"patch_size": 4, **values})


def test_presets_have_the_sizes_of_clay_v0() -> None:
    sizes = {
        name: (c.dim, c.depth, c.heads, c.mlp_ratio, c.decoder_dim, c.decoder_depth, c.decoder_heads)
        for name, c in ((name, configure(name)) for name in PRESETS)
    }
    assert sizes["tiny"] == (256, 4, 4, 2, 128, 2, 2)
    assert sizes["small"] == (768, 12, 12, 4, 512, 8, 8)
    assert sizes["medium"] == (1024, 24, 16, 4, 512, 8, 16)
    assert sizes["large"] == (1280, 32, 16, 4, 512, 8, 16)
    assert all(configure(name).dim_head == 64 for name in PRESETS if name != "nano")


def test_preset_small_has_the_size_of_the_published_model() -> None:
    # Clay v0.1 (small, 512 pixel chips, patches of 32 pixels) has 127 million parameters.
    reads = cube(512)
    with torch.device("meta"):
        model = FAMILY.build(FAMILY.configure("small", reads, {"patch_size": 32}), reads)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(127e6, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"patch_size": 7}, "patch_size"),
        ({"dim": 100}, "dim"),
        ({"depth": 0}, "depth"),
        ({"heads": 2.5}, "heads"),
        ({"mask_ratio": 1.0}, "mask_ratio"),
        ({"mask_ratio": "0.5"}, "mask_ratio"),
        ({"min_valid": -0.1}, "min_valid"),
        ({"reference_gsd": 0.0}, "reference_gsd"),
        ({"normalize_targets": 1}, "normalize_targets"),
        ({"colour": 3}, "colour"),
    ],
)
def test_a_wrong_value_is_one_clear_sentence(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        configure(**changes)
    assert "\n" not in str(caught.value)


def test_a_preset_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no preset 'huge' of mae; choose one of nano, tiny, small, medium, large"):
        configure("huge")
