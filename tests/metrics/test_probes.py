from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.metrics import band_statistics, knn_probe, linear_probe, nearest_neighbours, standardise


def clusters(number: int, seed: int, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(number) % 3
    centres = np.eye(3, 8) * 4
    return centres[labels] + spread * random.standard_normal((number, 8)), np.array([10, 40, 80])[labels], labels // 1


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_probes_read_separate_classes_at_any_scale(scale):
    train, labels, _ = clusters(90, 0)
    test, truth, _ = clusters(60, 1)
    places = np.arange(90) // 9
    assert (knn_probe(train * scale, labels, test * scale) == truth).mean() > 0.95
    predicted, penalty = linear_probe(train * scale, labels, places, test * scale)
    assert (predicted == truth).mean() > 0.95
    assert penalty > 0


def test_probes_find_nothing_in_noise():
    random = np.random.default_rng(4)
    train, test = random.standard_normal((2, 300, 6))
    labels, truth = random.integers(0, 2, (2, 300))
    assert abs((knn_probe(train, labels, test) == truth).mean() - 0.5) < 0.1
    assert abs((linear_probe(train, labels, np.arange(300) // 10, test)[0] == truth).mean() - 0.5) < 0.1


def test_penalty_is_chosen_across_places():
    # One feature names the place, and the class follows the place: inside a place it is a perfect shortcut.
    random = np.random.default_rng(5)
    places = np.repeat(np.arange(12), 20)
    labels = np.where(random.random(240) < 0.9, places % 2, 1 - places % 2)
    shortcut = np.eye(12)[places] * 3
    weak = labels[:, None] + 1.2 * random.standard_normal((240, 2))
    features = np.concatenate([shortcut, weak], 1)
    test_labels = random.integers(0, 2, 200)
    test = np.concatenate([np.zeros((200, 12)), test_labels[:, None] + 1.2 * random.standard_normal((200, 2))], 1)
    predicted, penalty = linear_probe(features, labels, places, test)
    assert penalty < 10.0
    assert (predicted == test_labels).mean() > 0.6


def test_knn_ties_go_to_the_nearer_class():
    train = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.2], [0.3, -1.0]])
    assert knn_probe(train, np.array([7, 3, 9, 11]), np.array([[1.0, 0.1]]), k=4)[0] == 7


def test_knn_with_more_voters_than_records():
    assert knn_probe(np.array([[1.0, 2.0]]), np.array([30]), np.array([[0.0, 1.0]]), k=5).tolist() == [30]


def test_linear_probe_needs_two_classes():
    with pytest.raises(ValueError, match="two classes"):
        linear_probe(np.ones((4, 2)), np.ones(4), np.arange(4), np.ones((1, 2)))


def test_one_place_still_fits():
    train, labels, _ = clusters(30, 0)
    predicted, penalty = linear_probe(train, labels, np.zeros(30), train)
    assert penalty == 1.0
    assert (predicted == labels).all()


def test_standardise_fills_what_is_missing_and_silences_constants():
    train = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, 2.0]])
    scaled, other = standardise(train, np.array([[np.nan, 7.0, 2.0]]))
    np.testing.assert_allclose(scaled, [[-1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(other, [[0, 0, 0]])


def test_band_statistics_count_only_valid_pixels():
    random = np.random.default_rng(6)
    pixels = random.normal(5, 2, (4, 3, 8, 8))
    valid = random.random(pixels.shape) < 0.6
    valid[2, 1] = False
    pixels[~valid] = np.nan
    result = band_statistics(pixels, valid)
    assert result.shape == (4, 6)
    assert np.isnan(result[2, [1, 4]]).all()
    for chip, band in np.ndindex(4, 3):
        if (chip, band) != (2, 1):
            seen = pixels[chip, band][valid[chip, band]]
            np.testing.assert_allclose(result[chip, [band, band + 3]], [seen.mean(), seen.std()])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(1, 10),
)
def test_neighbours_are_exact_and_ordered(seed, number, queries, wanted):
    random = np.random.default_rng(seed)
    features = random.integers(-2, 3, (number, 3)).astype(np.float32)  # small integers: many exact ties
    sought = random.integers(-2, 3, (queries, 3)).astype(np.float32)
    k = min(wanted, number)
    indices, distances = nearest_neighbours(sought, features, k)

    def unit(values):
        length = np.linalg.norm(values.astype(float), axis=1, keepdims=True)
        return np.divide(values, length, out=np.zeros(values.shape), where=length > 0)

    expected = 1 - unit(sought) @ unit(features).T
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :k], atol=1e-12)
    assert (np.diff(distances, axis=1) >= 0).all()
    for row in range(queries):
        assert len(set(indices[row])) == k
        duplicates = (features[indices[row]][:-1] == features[indices[row]][1:]).all(1)
        assert (np.diff(indices[row])[duplicates] > 0).all()


def test_neighbours_do_not_depend_on_the_blocks(monkeypatch):
    from earthenware.metrics import _neighbours

    features = np.random.default_rng(7).standard_normal((200, 16)).astype(np.float32)
    features[50:60] = features[0]
    whole = nearest_neighbours(features, features, 12)
    monkeypatch.setattr(_neighbours, "BLOCK", 500)
    blocked = nearest_neighbours(features, features, 12)
    np.testing.assert_array_equal(whole[0], blocked[0])
    np.testing.assert_array_equal(whole[1], blocked[1])
    assert whole[0][55].tolist()[:11] == [0, *range(50, 60)]


def test_excluded_records_are_never_returned():
    features = np.eye(4)
    excluded = np.zeros((1, 4), bool)
    excluded[0, :3] = True
    indices, distances = nearest_neighbours(features[:1], features, 3, excluded=excluded)
    assert indices.tolist() == [[3, -1, -1]]
    assert distances[0, 0] == 1
    assert np.isinf(distances[0, 1:]).all()


@pytest.mark.parametrize("k", [0, 5])
def test_impossible_counts_are_refused(k):
    with pytest.raises(ValueError, match="k must be"):
        nearest_neighbours(np.eye(4), np.eye(4), k)
