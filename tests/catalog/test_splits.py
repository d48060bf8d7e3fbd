"""Sites are divided so that no ground is on both sides."""

from functools import lru_cache

import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from earthenware.catalog import block_of, split_sites

LONGITUDES = st.floats(-180, 180, allow_nan=False, exclude_max=True)
LATITUDES = st.floats(-80, 80, allow_nan=False)


@lru_cache
def to_zone(epsg):
    return pyproj.Transformer.from_crs("OGC:CRS84", epsg, always_xy=True)


def grid_at(longitude, latitude, size=256):
    """A grid of so many 10 m pixels around a point, in the point's UTM zone."""
    zone = int((longitude + 180) // 6) + 1
    epsg = (32700 if latitude < 0 else 32600) + zone
    x, y = to_zone(epsg).transform(longitude, latitude)
    return GeoBox((size, size), Affine(10.0, 0.0, x - 5 * size, 0.0, -10.0, y + 5 * size), f"EPSG:{epsg}")


SITES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=4), st.builds(grid_at, LONGITUDES, LATITUDES), min_size=1, max_size=25
)


@settings(max_examples=40, deadline=None)
@given(SITES, st.integers(0, 50), st.sampled_from([10.0, 50.0, 300.0]))
def test_blocks_hold_together_and_no_side_is_empty(sites, seed, block_km):
    splits = split_sites(sites, seed, 20, 10, block_km)
    assert splits.split.keys() == sites.keys()
    by_group, by_block = {}, {}
    for site in sites:
        by_group.setdefault(splits.groups[site], set()).add(splits.split[site])
        by_block.setdefault(splits.blocks[site], set()).add(splits.groups[site])
    assert all(len(found) == 1 for found in by_group.values())
    assert all(len(found) == 1 for found in by_block.values())
    if len(by_group) >= 2:
        assert {"train", "validation"} <= set(splits.split.values())
    else:
        assert set(splits.split.values()) == {"train"}


@settings(max_examples=25, deadline=None)
@given(SITES, st.randoms())
def test_the_order_of_the_places_does_not_matter(sites, random):
    shuffled = list(sites.items())
    random.shuffle(shuffled)
    assert split_sites(dict(shuffled), 3, 20, 10, 50) == split_sites(sites, 3, 20, 10, 50)


@settings(max_examples=200, deadline=None)
@given(LONGITUDES, LATITUDES, st.floats(5, 500), st.integers(-1, 1))
def test_blocks_are_of_about_their_size_and_wrap_around_the_earth(longitude, latitude, block_km, turns):
    block = block_of(longitude, latitude, block_km)
    beside = {block_of(longitude + step, latitude, block_km) for step in (-1e-9, 1e-9)}
    if beside == {block}:  # on a border, rounding decides which block a site written with a turn more belongs to
        assert block_of(longitude + 360 * turns, latitude, block_km) == block
    rows, row, column = map(int, block.split("-"))
    assert 0 <= row < rows
    assert column >= 0
    assert 180 * 111.32 / rows == pytest.approx(block_km, rel=0.06)


def test_places_of_one_block_go_together_across_a_zone_border():
    # 17.99 E is in zone 33, 18.01 E in zone 34; the two are 1.4 km apart and lie in one block.
    sites = {"west": grid_at(17.99, 45.0), "east": grid_at(18.01, 45.0), "far": grid_at(30.0, 45.0)}
    for seed in range(20):
        split = split_sites(sites, seed, 50, 0, 50).split
        assert split["west"] == split["east"]
        assert set(split.values()) == {"train", "validation"}


def test_the_same_ground_is_never_divided_even_over_a_block_border():
    """Of two sites that share most of their ground, every shift along a parallel gives both one split."""
    for step in range(40):
        longitude = 10 + step * 0.02
        sites = {"a": grid_at(longitude, 48.0, 512), "b": grid_at(longitude + 0.03, 48.0, 512), "c": grid_at(12.5, 44)}
        split = split_sites(sites, 1, 50, 0, 5).split
        assert split["a"] == split["b"]


def test_the_strip_that_neighbouring_tiles_share_is_withheld_from_training():
    def tile(left):
        return GeoBox((10980, 10980), Affine(10.0, 0.0, left, 0.0, -10.0, 5_500_000.0), "EPSG:32633")

    sites = {f"t{n}": tile(300_000.0 + 100_000 * n) for n in range(4)}  # 109.8 km wide: 9.8 km are shared
    found = 0
    for seed in range(10):
        splits = split_sites(sites, seed, 30, 0, 50)
        for one, other in (("t0", "t1"), ("t1", "t2"), ("t2", "t3")):
            if splits.split[one] != splits.split[other]:
                gives = one if splits.split[one] == "train" else other
                left = sites[other].boundingbox.left
                assert (left, 5_390_200.0, left + 9_800, 5_500_000.0) in splits.withheld[gives]
                found += 1
        assert all(splits.split[site] == "train" for site in splits.withheld)
    assert found


def test_the_strip_is_found_across_the_antimeridian():
    sites = {"west": grid_at(179.99, 10.0, 512), "east": grid_at(-179.975, 10.0, 512)}
    for block_km in (3.0, 5.0):
        splits = split_sites(sites, 0, 50, 0, block_km)
        assert splits.split["west"] == splits.split["east"] or splits.withheld


def test_new_places_elsewhere_move_no_old_one():
    old = {f"p{n}": grid_at(5 + n, 50.0) for n in range(12)}
    new = {**old, **{f"q{n}": grid_at(-70 - n, -20.0) for n in range(12)}}
    for seed in range(5):
        before, after = split_sites(old, seed, 30, 0, 50).split, split_sites(new, seed, 30, 0, 50).split
        if len(set(before.values())) == 2 and "validation" in after.values():
            assert {site: after[site] for site in old} == before


def test_shares_are_near_what_was_asked_for():
    sites = {f"p{x}-{y}": grid_at(-170 + 6 * x, -60 + 6 * y) for x in range(55) for y in range(20)}
    split = list(split_sites(sites, 7, 20, 10, 50).split.values())
    assert split.count("validation") / len(split) == pytest.approx(0.2, abs=0.04)
    assert split.count("test") / len(split) == pytest.approx(0.1, abs=0.03)


def test_one_block_trains_and_no_validation_may_be_asked_for():
    for seed in range(10):
        assert split_sites({"a": grid_at(1, 1)}, seed, 60, 20, 50).split == {"a": "train"}
    sites = {"a": grid_at(1, 1), "b": grid_at(9, 9)}
    for seed in range(10):
        assert set(split_sites(sites, seed, 0, 0, 50).split.values()) == {"train"}
