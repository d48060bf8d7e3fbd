"""Where chips lie: side by side, inside, and where the map says."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from earthenware.datacube._grid import chip_places, footprints, touching, window_sums

lengths = st.integers(1, 150)
sizes = st.integers(1, 40)


@given(height=lengths, width=lengths, size=sizes)
def test_dropped_edges_leave_disjoint_chips_from_the_origin(height: int, width: int, size: int) -> None:
    places = chip_places(height, width, size, "drop")
    assert len(places) == (height // size) * (width // size)
    covered = np.zeros((height, width), dtype=int)
    for y, x in zip(places.y, places.x, strict=True):
        covered[y : y + size, x : x + size] += 1
    assert covered.max(initial=0) <= 1
    np.testing.assert_array_equal(covered[: height // size * size, : width // size * size], 1)
    assert len(set(zip(places.row.tolist(), places.col.tolist(), strict=True))) == len(places)


@given(height=lengths, width=lengths, size=sizes)
def test_shifted_edges_cover_every_pixel(height: int, width: int, size: int) -> None:
    places = chip_places(height, width, size, "shift")
    if height < size or width < size:
        assert len(places) == 0
        return
    covered = np.zeros((height, width), dtype=int)
    for y, x in zip(places.y, places.x, strict=True):
        assert 0 <= y <= height - size
        assert 0 <= x <= width - size
        covered[y : y + size, x : x + size] += 1
    assert covered.min() >= 1
    assert len(places) == -(-height // size) * -(-width // size)


@given(height=lengths, width=lengths, size=sizes, seed=st.integers(0, 999), edges=st.sampled_from(["drop", "shift"]))
def test_counts_of_all_chips_at_once(height: int, width: int, size: int, seed: int, edges: str) -> None:
    flags = np.random.default_rng(seed).random((height, width)) < 0.4
    places = chip_places(height, width, size, edges)  # type: ignore[arg-type]
    expected = [flags[y : y + size, x : x + size].sum() for y, x in zip(places.y, places.x, strict=True)]
    assert window_sums(flags, places, size).tolist() == expected


def test_footprints_are_where_the_chips_are() -> None:
    grid = GeoBox((224, 224), Affine(10.0, 0.0, 790236.04, 0.0, -10.0, 7198039.25), "EPSG:32722")
    places = chip_places(224, 224, 64, "drop")
    centres, outlines = footprints(grid, places, 64)
    back = Transformer.from_crs("OGC:CRS84", "EPSG:32722", always_xy=True)
    for i, outline in enumerate(outlines):
        polygon = shapely.from_wkb(outline)
        assert polygon.exterior.is_ccw
        assert polygon.is_valid
        x, y = back.transform(*centres[i])
        assert x == pytest.approx(790236.04 + 10 * (places.x[i] + 32), abs=1e-3)
        assert y == pytest.approx(7198039.25 - 10 * (places.y[i] + 32), abs=1e-3)
        assert polygon.contains(shapely.Point(centres[i]))
        corners = back.transform(*np.array(polygon.exterior.coords).T)
        assert corners[0].max() - corners[0].min() == pytest.approx(640, abs=1e-3)
        assert corners[1].max() - corners[1].min() == pytest.approx(640, abs=1e-3)


def test_footprint_across_the_antimeridian_is_small() -> None:
    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:32701", always_xy=True).transform(-180.0, -17.0)
    grid = GeoBox((64, 64), Affine(10.0, 0.0, x - 320, 0.0, -10.0, y + 320), "EPSG:32701")
    _, outlines = footprints(grid, chip_places(64, 64, 64, "drop"), 64)
    west, _, east, _ = shapely.from_wkb(outlines[0]).bounds
    assert east - west < 0.01


@given(row=st.integers(0, 500), column=st.integers(0, 500))
def test_a_window_keeps_its_place(row: int, column: int) -> None:
    grid = GeoBox((1000, 1000), Affine(10.0, 0.0, 512347.125, 0.0, -10.0, 5312983.375), "EPSG:32633")
    window = grid[row : row + 20, column : column + 30]
    left, bottom, right, top = window.boundingbox.bbox
    assert (left, top) == (512347.125 + 10 * column, 5312983.375 - 10 * row)
    assert (right - left, top - bottom) == (300, 200)


@given(
    size=st.integers(1, 20),
    corner=st.tuples(st.integers(-30, 80), st.integers(-30, 80)),
    extent=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_chips_that_share_ground_with_bounds(size: int, corner: tuple[int, int], extent: tuple[int, int]) -> None:
    grid = GeoBox((64, 48), Affine(10.0, 0.0, 500003.0, 0.0, -10.0, 5000007.0), "EPSG:32633")
    places = chip_places(grid.height, grid.width, size, "drop")
    west, north = 500003.0 + 10 * corner[0], 5000007.0 - 10 * corner[1]
    bounds = (west, north - 10 * extent[1], west + 10 * extent[0], north)
    inside = np.zeros((grid.height, grid.width), dtype=bool)
    top, left = max(0, corner[1]), max(0, corner[0])
    inside[top : max(0, corner[1] + extent[1]), left : max(0, corner[0] + extent[0])] = True
    expected = window_sums(inside, places, size) > 0
    assert touching(grid, places, size, [bounds]).tolist() == expected.tolist()
    assert not touching(grid, places, size, []).any()
