"""Sentinel-2's +1000: what items declare, and what pixels allow."""

import json

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.sensors import declared_offset, sensor

# Reflectance * 10000 of natural surfaces: typical values per band, in the order B02 B03 B04 B11 B12.
OFFSETS = sensor("sentinel-2-l2a").offsets


def decide(declared, numbers, valid=None):
    return OFFSETS.decide(declared, numbers, valid)


SURFACES = {
    "clear water": (250, 200, 120, 30, 20),
    "forest": (220, 420, 260, 1500, 650),
    "savanna": (750, 1050, 1450, 3600, 2700),
    "snow": (9000, 9000, 8900, 900, 700),
}
BRIGHT = {"bright desert": (1700, 2450, 3500, 4900, 4600), "thick cloud": (6500, 6300, 6200, 4200, 3300)}


def scene(kinds, offset, seed=0, noise=0.12, haze=0):
    """Digital numbers `[pixel]` per band of a mixture of surfaces, with sensor noise and an atmospheric error."""
    rng = np.random.default_rng(seed)
    parts = {**SURFACES, **BRIGHT}
    numbers = {}
    for index, band in enumerate(OFFSETS.bands):
        clean = np.concatenate([np.full(2000, parts[kind][index], dtype=float) for kind in kinds])
        error = haze if band in {"B02", "B03"} else 0
        value = clean * rng.lognormal(0, noise, clean.size) + rng.normal(0, 15, clean.size) - error + offset
        numbers[band] = np.clip(np.rint(value), 1, 65535).astype(np.uint16)
    return numbers


@pytest.mark.parametrize("kind", SURFACES)
def test_every_dark_surface_alone_contradicts_an_offset_that_is_not_there(kind):
    decision = decide(1000, scene([kind], 0))
    assert decision.contradicted
    assert decision.applied == 0
    assert decision.declared == 1000


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from([*SURFACES, *BRIGHT]), min_size=1, max_size=4, unique=True),
    haze=st.integers(0, 150),
    seed=st.integers(0, 1000),
)
def test_a_true_offset_is_never_contradicted_even_where_blue_is_over_corrected(kinds, haze, seed):
    decision = decide(1000, scene(kinds, 1000, seed, haze=haze))
    assert not decision.contradicted
    assert decision.applied == 1000


@pytest.mark.parametrize("kind", BRIGHT)
def test_without_dark_pixels_the_declaration_stands(kind):
    for offset in (0, 1000):
        decision = decide(1000, scene([kind], offset))
        assert decision.applied == 1000
        assert not decision.contradicted


@pytest.mark.parametrize("kinds", [("clear water", "forest"), ("forest", "savanna", "clear water")])
def test_an_undeclared_offset_is_suspected_and_not_removed(kinds):
    decision = decide(0, scene(kinds, 1000))
    assert decision.suspected
    assert decision.applied == 0
    assert not decide(0, scene(kinds, 0)).suspected


@pytest.mark.parametrize("kind", [*SURFACES, *BRIGHT])
def test_no_surface_alone_is_suspected_when_it_has_no_offset(kind):
    assert not decide(0, scene([kind], 0)).suspected


def test_negative_numbers_clipped_to_nodata_do_not_hide_the_rest():
    numbers = scene(["clear water"], 0)
    numbers["B11"][:] = 0
    numbers["B12"][:] = 0
    assert decide(1000, numbers).contradicted


def test_pixels_outside_the_mask_and_tiny_samples_decide_nothing():
    numbers = scene(["forest", "bright desert"], 0)
    desert = np.arange(4000) >= 2000
    assert not decide(1000, numbers, desert).contradicted
    few = np.arange(4000) < 100
    decision = decide(1000, numbers, few)
    assert decision.applied == 1000
    assert "not checked" in decision.reason
    assert decide(1000, {}).applied == 1000


def test_bands_on_two_grids_are_refused():
    with pytest.raises(ValueError, match="one grid"):
        decide(0, {"B02": np.ones((4, 4)), "B11": np.ones((2, 2))})


@pytest.mark.parametrize(
    ("collection", "properties", "offset"),
    [
        ("sentinel-2-l2a", {"s2:processing_baseline": "03.01", "datetime": "2022-06-01T00:00:00Z"}, 0),
        ("sentinel-2-l2a", {"s2:processing_baseline": "04.00", "datetime": "2022-01-25T00:00:00Z"}, 1000),
        # A reprocessed archive: the baseline decides, not the date.
        ("sentinel-2-l2a", {"s2:processing_baseline": "05.00", "datetime": "2018-04-08T00:00:00Z"}, 1000),
        (
            "sentinel-2-l2a",
            {"s2:product_uri": "S2A_MSIL2A_20231008T175231_N0509_R141_T13TDE_20231008T233154.SAFE"},
            1000,
        ),
        ("sentinel-2-l2a", {"s2:granule_id": "S2B_OPER_MSI_L2A_TL_ESRI_20201006T080533_A012081_T06VVN_N02.12"}, 0),
        ("sentinel-2-l2a", {"datetime": "2022-01-24T23:59:59Z"}, 0),
        ("sentinel-2-l2a", {"datetime": "2022-01-25T00:00:00Z"}, 1000),
        ("sentinel-2-l2a", {}, 0),
        ("sentinel-2-l2a", {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, 0),
        ("sentinel-2-l2a", {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": False}, 1000),
        ("sentinel-2-l2a", {"s2:processing_baseline": "02.14", "earthsearch:boa_offset_applied": False}, 0),
        ("sentinel-2-c1-l2a", {"s2:processing_baseline": "05.10", "earthsearch:payload_id": "x"}, 1000),
        ("sentinel-s2-l2a-cogs", {"sentinel:processing_baseline": "05.11", "sentinel:boa_offset_applied": True}, 0),
        ("sentinel-s2-l2a-cogs", {"sentinel:processing_baseline": "05.11", "sentinel:boa_offset_applied": False}, 1000),
        ("sentinel-s2-l2a-cogs", {"sentinel:product_id": "S2A_MSIL2A_20200714T115221_N0214_R123_T28QCH_20200714T1"}, 0),
    ],
)
def test_declared_offset(collection, properties, offset):
    assert declared_offset({"id": "x", "collection": collection, "properties": properties}, "sentinel-2-l2a") == offset


def read(folder):
    numbers = {}
    for band in OFFSETS.bands:
        with rasterio.open(folder / f"{band}.tif") as dataset:
            numbers[band] = dataset.read(1).astype(np.int32)
    return numbers


@pytest.mark.parametrize(
    ("tile", "declared", "applied", "contradicted"),
    [
        ("282D_485L_3_3", 0, 0, False),
        ("38D_378R_2_3", 1000, 0, True),
        ("433D_629L_3_1", 1000, 1000, False),
    ],
)
def test_real_tiles(realdata, tile, declared, applied, contradicted):
    catalog = realdata / "mini_catalog"
    features = json.loads((catalog / "items.json").read_text())["features"]
    item = next(feature for feature in features if feature["id"] == f"S2_{tile}")
    assert declared_offset(item, "sentinel-2-l2a") == declared
    numbers = read(catalog / "sentinel-2-l2a" / tile)
    decision = decide(declared, numbers)
    assert (decision.applied, decision.contradicted) == (applied, contradicted)


def test_windows_of_real_tiles_and_of_a_real_desert_agree(realdata):
    """Every 64-pixel window, once with and once without an offset: no false alarm, and nearly no miss on land."""
    tiles = {
        name: (read(realdata / "mini_catalog" / "sentinel-2-l2a" / name), offset)
        for name, offset in (("282D_485L_3_3", 0), ("38D_378R_2_3", 0), ("433D_629L_3_1", 1000))
    }
    caught = []
    for numbers, offset in tiles.values():
        for rows in range(0, 192, 64):
            for columns in range(0, 192, 64):
                plain = {
                    band: np.maximum(array[rows : rows + 64, columns : columns + 64] - offset, 1)
                    for band, array in numbers.items()
                }
                shifted = {band: array + 1000 for band, array in plain.items()}
                assert not decide(1000, shifted).contradicted
                assert not decide(0, plain).suspected
                caught.append(decide(1000, plain).contradicted)
    assert np.mean(caught) >= 0.95
    folder = realdata / "rio_tiler_pds" / "sentinel-2-l2a_S2A_29RKH_20200219"
    desert = read(folder)
    for band in ("B11", "B12"):
        desert[band] = desert[band].repeat(2, axis=0).repeat(2, axis=1)
    assert not decide(0, desert).suspected
    shifted = {band: array + 1000 for band, array in desert.items()}
    assert not decide(1000, shifted).contradicted
