from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.metrics import collapse_diagnostics, components_to_rgb, principal_components


@given(st.integers(1, 12), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_effective_rank_counts_equal_directions(rank, seed):
    # Rows +e_i and -e_i have zero mean and `rank` equal singular values; a rotation changes nothing.
    random = np.random.default_rng(seed)
    rotation = np.linalg.qr(random.standard_normal((16, 16)))[0]
    features = np.concatenate([np.eye(rank, 16), -np.eye(rank, 16)]) @ rotation
    assert collapse_diagnostics(features).effective_rank == pytest.approx(rank)


@given(st.integers(2, 30), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_mean_cosine_is_the_mean_over_pairs(number, seed):
    features = np.random.default_rng(seed).standard_normal((number, 5)) + 1
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = (units @ units.T)[~np.eye(number, dtype=bool)]
    assert collapse_diagnostics(features).mean_cosine == pytest.approx(cosines.mean())


def test_healthy_features_raise_no_alarm():
    result = collapse_diagnostics(np.random.default_rng(0).standard_normal((200, 32)).astype(np.float32))
    assert not result.alarm
    assert result.effective_rank > 25
    assert result.duplicate_share == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("constant", "directions"), ("line", "directions"), ("offset", "cosine"), ("copies", "vector"), ("nan", "finite")],
)
def test_every_kind_of_collapse_raises_the_alarm(name, reason):
    random = np.random.default_rng(1)
    features = random.standard_normal((100, 32))
    if name == "constant":
        features[:] = features[0]
    elif name == "line":
        features = features[:, :1] * np.ones((1, 32)) + 1e-3 * features
    elif name == "offset":
        features += 50
    elif name == "copies":
        features[:10] = features[0]
    else:
        features[3, 3] = np.nan
    result = collapse_diagnostics(features)
    assert result.alarm
    assert any(reason in r for r in result.reasons)


def test_few_records_do_not_alarm_on_rank():
    assert not collapse_diagnostics(np.random.default_rng(2).standard_normal((3, 64))).alarm


def test_one_record_is_refused():
    with pytest.raises(ValueError, match="two records"):
        collapse_diagnostics(np.ones((1, 4)))


def test_components_are_the_directions_of_largest_variance():
    random = np.random.default_rng(3)
    rotation = np.linalg.qr(random.standard_normal((6, 6)))[0]
    features = random.standard_normal((500, 6)) * [9, 5, 3, 0.1, 0.1, 0.1] @ rotation + 7
    scores, shares = principal_components(features)
    assert shares[0] > shares[1] > shares[2] > 0.05
    assert shares.sum() > 0.99
    np.testing.assert_allclose(np.corrcoef(scores.T), np.eye(3), atol=1e-9)
    again, _ = principal_components(features[::-1])
    np.testing.assert_allclose(again[::-1], scores, atol=1e-8)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (5, 2)])
def test_missing_components_are_zero(shape):
    scores, shares = principal_components(np.arange(np.prod(shape), dtype=float).reshape(shape))
    assert scores.shape == (shape[0], 3)
    assert (shares[1:] < 1e-12).all()
    assert components_to_rgb(scores).shape == (shape[0], 3)


def test_colours_span_the_range():
    colours = components_to_rgb(np.random.default_rng(4).standard_normal((300, 3)))
    assert colours.dtype == np.uint8
    assert colours.min() == 0
    assert colours.max() == 255
