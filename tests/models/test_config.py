from __future__ import annotations

import json
from dataclasses import replace

import pytest

from earthenware import sensors
from earthenware.models import CUBE_GROUPS, PRESETS, BandGroup, MAEConfig, MaskedAutoencoder


@pytest.mark.parametrize("name", PRESETS)
def test_roundtrip_through_json(name: str) -> None:
    config = MAEConfig.from_preset(name, chip_size=96, patch_size=16, mask_ratio=0.6)
    assert MAEConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_presets_have_the_sizes_of_clay_v0() -> None:
    sizes = {
        name: (c.dim, c.depth, c.heads, c.mlp_ratio, c.decoder_dim, c.decoder_depth, c.decoder_heads)
        for name, c in ((name, MAEConfig.from_preset(name)) for name in PRESETS)
    }
    assert sizes["tiny"] == (256, 4, 4, 2, 128, 2, 2)
    assert sizes["small"] == (768, 12, 12, 4, 512, 8, 8)
    assert sizes["medium"] == (1024, 24, 16, 4, 512, 8, 16)
    assert sizes["large"] == (1280, 32, 16, 4, 512, 8, 16)
    assert all(MAEConfig.from_preset(name).dim_head == 64 for name in PRESETS if name != "nano")


def test_preset_small_has_the_size_of_the_published_model() -> None:
    # Clay v0.1 (small, 512 pixel chips, patches of 32 pixels) has 127 million parameters.
    import torch

    with torch.device("meta"):
        model = MaskedAutoencoder(MAEConfig.from_preset("small", chip_size=512, patch_size=32))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(127e6, rel=0.02)


def test_groups_are_those_of_the_sensor_table() -> None:
    bands = [band for sensor_id in sensors.PRETRAIN_SENSORS for band in sensors.sensor(sensor_id).bands]
    assert [(g.name, tuple(bands[i].name for i in g.bands)) for g in CUBE_GROUPS] == list(sensors.BAND_GROUPS.items())
    for group in CUBE_GROUPS:
        known = [bands[i].wavelength_nm for i in group.bands]
        assert list(group.wavelengths_nm) == pytest.approx([nm for nm in known if nm is not None], rel=1e-8)


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
        ({"groups": (BandGroup("a", (0, 1)), BandGroup("b", (1,)))}, "exactly once"),
        ({"groups": (BandGroup("a", (0,)), BandGroup("a", (1,)))}, "unique"),
        ({"groups": (BandGroup("a", (0, 1), (500.0,)),)}, "wavelength"),
        ({"colour": 3}, "colour"),
    ],
)
def test_a_wrong_value_is_one_clear_sentence(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        MAEConfig.from_preset("nano", **changes)
    assert "\n" not in str(caught.value)


def test_from_dict_names_what_is_missing_unknown_or_malformed() -> None:
    values = MAEConfig().to_dict()
    with pytest.raises(ValueError, match="'colour' is unknown"):
        MAEConfig.from_dict({**values, "colour": 1})
    del values["depth"]
    with pytest.raises(ValueError, match="'depth' is missing"):
        MAEConfig.from_dict(values)
    with pytest.raises(ValueError, match="groups"):
        MAEConfig.from_dict({**MAEConfig().to_dict(), "groups": [{"name": "a"}]})
    with pytest.raises(ValueError, match="no preset 'huge'"):
        MAEConfig.from_preset("huge")


def test_a_config_counts_bands_and_patches() -> None:
    config = MAEConfig.from_preset("nano", chip_size=64, patch_size=16)
    assert (config.bands, config.patches) == (13, 16)
    assert replace(config, groups=(BandGroup("one", (0,)),)).bands == 1
