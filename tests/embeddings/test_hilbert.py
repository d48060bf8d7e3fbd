from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.embeddings import hilbert_index, hilbert_order


def whole_grid(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = (axis.ravel() for axis in np.mgrid[: 1 << order, : 1 << order])
    return x, y, hilbert_index(x, y, order)


@pytest.mark.parametrize("order", [1, 2, 3, 5, 7])
def test_curve_visits_every_cell_once_and_only_steps_to_neighbours(order):
    x, y, index = whole_grid(order)
    np.testing.assert_array_equal(np.sort(index), np.arange(4**order))
    path = np.argsort(index)
    steps = np.abs(np.diff(x[path])) + np.abs(np.diff(y[path]))
    assert (steps == 1).all()
    assert (x[path[0]], y[path[0]]) == (0, 0)
    assert (x[path[-1]], y[path[-1]]) == ((1 << order) - 1, 0)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_aligned_square_is_one_run(level):
    x, y, index = whole_grid(5)
    squares = (x >> level) + ((y >> level) << 8)
    for square in np.unique(squares):
        inside = np.sort(index[squares == square])
        assert (np.diff(inside) == 1).all()
        assert inside[0] % 4**level == 0


@given(st.integers(2, 31), st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_finer_grid_refines_the_order(order, a, b):
    x, y = np.array([a % (1 << order)]), np.array([b % (1 << order)])
    assert int(hilbert_index(x, y, order)[0]) >> 2 == int(hilbert_index(x >> 1, y >> 1, order - 1)[0])


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=60), st.randoms())
@settings(deadline=None)
def test_order_is_a_permutation_that_ignores_the_input_order(places, random):
    ids = np.array([f"chip{i:03d}" for i in range(len(places))])
    lon, lat = np.array(places).T
    order = hilbert_order(lon, lat, ids)
    assert sorted(order) == list(range(len(places)))
    shuffled = list(range(len(places)))
    random.shuffle(shuffled)
    again = hilbert_order(lon[shuffled], lat[shuffled], ids[shuffled])
    assert ids[order].tolist() == ids[shuffled][again].tolist()


def test_neighbours_in_the_file_are_near_on_the_ground():
    random = np.random.default_rng(0)
    lon, lat = random.uniform(-10, 10, 2000), random.uniform(-10, 10, 2000)
    ids = np.arange(2000).astype(str)

    def area_of_row_groups(order):
        groups = zip(np.array_split(lon[order], 40), np.array_split(lat[order], 40), strict=True)
        return np.mean([np.ptp(x) * np.ptp(y) for x, y in groups])

    # A reader that wants a small area opens the row groups whose boxes touch it: the smaller the boxes, the fewer.
    by_hilbert = area_of_row_groups(hilbert_order(lon, lat, ids))
    assert by_hilbert < 2.5 * 400 / 40  # were they squares that do not overlap, each would have 1/40 of the area
    assert by_hilbert < 0.1 * area_of_row_groups(random.permutation(2000))


@pytest.mark.parametrize(("x", "order"), [(-1, 3), (8, 3), (0, 0), (0, 32)])
def test_cells_outside_the_grid_are_refused(x, order):
    with pytest.raises(ValueError, match=r"outside|order"):
        hilbert_index(np.array([x]), np.array([0]), order)
