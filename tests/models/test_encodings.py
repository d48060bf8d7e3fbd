from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.models._encodings import encode_positions, encode_wavelengths, place_features, time_features

from ._inputs import cube

MOMENTS = st.datetimes(min_value=datetime(1905, 1, 1), max_value=datetime(2099, 12, 31), timezones=st.just(UTC))


def at(*moments: datetime) -> torch.Tensor:
    return time_features(torch.tensor([moment.timestamp() for moment in moments], dtype=torch.float64))


def effective_dimensions(encodings: torch.Tensor) -> int:
    """Principal components that hold 99 % of the variance."""
    spread = torch.linalg.svdvals(encodings.double() - encodings.double().mean(0)).square()
    return int((spread.cumsum(0) / spread.sum() < 0.99).sum()) + 1


@pytest.mark.parametrize(("gsd", "least"), [(0.5, 3), (10.0, 16), (30.0, 32)])
def test_positions_use_the_whole_spectrum(gsd: float, least: int) -> None:
    # 32 patches of 0.5 m span what 1.6 patches of 10 m do: their encodings are smooth, yet apart.
    encodings = encode_positions(32, 32, torch.tensor([gsd / 10.0]), 256)[0]
    assert effective_dimensions(encodings) >= least
    distances = torch.cdist(encodings, encodings) + torch.eye(1024) * 1e3
    assert distances.min() > 0.05, "two places share an encoding"


def test_frequencies_run_evenly_from_one_to_the_slowest() -> None:
    first = encode_positions(1, 2, torch.tensor([0.01]), 64)[0, 1, :16]  # sines of one small step along x
    frequencies = first.double().asin() / 0.01
    steps = frequencies.log().diff()
    assert float(frequencies[0]) == pytest.approx(1.0, rel=1e-4)
    assert float(frequencies[-1]) == pytest.approx(1e-4, rel=1e-3)
    torch.testing.assert_close(steps, steps.mean().expand(15), atol=1e-3, rtol=0)


def test_neighbours_in_space_are_neighbours_in_the_encoding() -> None:
    encodings = encode_positions(1, 32, torch.tensor([1.0]), 256)[0]
    similarity = torch.nn.functional.cosine_similarity(encodings[:1], encodings)
    assert bool((similarity[:4].diff() < 0).all())
    assert similarity[1] > similarity[16]


@given(scale=st.sampled_from([0.25, 0.5, 2.0, 3.0]), place=st.integers(0, 7))
def test_the_same_distance_on_the_ground_has_the_same_encoding(scale: float, place: int) -> None:
    fine = encode_positions(1, 32, torch.tensor([1.0]), 64)[0]
    other = encode_positions(1, 8, torch.tensor([scale]), 64)[0]
    exact = encode_positions(1, 2, torch.tensor([scale * place]), 64)[0, 1]
    torch.testing.assert_close(other[place], exact, atol=1e-5, rtol=0)
    if float(scale * place).is_integer() and scale * place < 32:
        torch.testing.assert_close(other[place], fine[int(scale * place)], atol=1e-5, rtol=0)


def test_bands_are_told_apart_by_their_wavelength() -> None:
    names = {"blue": 492.3, "green": 559.4, "nir": 832.9, "nir08": 864.4, "swir22": 2194.1}
    encodings = dict(zip(names, encode_wavelengths(torch.tensor(list(names.values())), 128), strict=True))

    def alike(a: str, b: str) -> float:
        return float(torch.nn.functional.cosine_similarity(encodings[a], encodings[b], dim=0))

    # In micrometres these were 0.9999, 0.99998 and 0.92.
    assert alike("blue", "green") < 0.7
    assert alike("nir", "nir08") < 0.75
    assert alike("blue", "swir22") < 0.4


def test_groups_are_told_apart() -> None:
    from earthenware.models.mae._tokens import TokenEncoding

    for dim in (64, 256):
        groups = TokenEncoding(cube().groups, dim, 10.0).of_groups
        similarity = torch.nn.functional.cosine_similarity(groups[:, None], groups[None], dim=-1)
        assert similarity.triu(1).abs().max() < 0.75
        assert torch.pdist(groups).min() > 2.0


@given(moment=MOMENTS)
def test_time_agrees_with_the_calendar(moment: datetime) -> None:
    start = datetime(moment.year, 1, 1, tzinfo=UTC)
    turn = 2 * math.pi * ((moment - start) / (datetime(moment.year + 1, 1, 1, tzinfo=UTC) - start))
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = 2 * math.pi * ((moment - midnight) / timedelta(days=1))
    years = moment.year + turn / (2 * math.pi)
    expected = [
        math.sin(turn),
        math.cos(turn),
        math.sin(hour),
        math.cos(hour),
        min(1.0, max(-1.0, (years - 2020) / 20)),
    ]
    torch.testing.assert_close(at(moment)[0], torch.tensor(expected), atol=2e-5, rtol=0)


@given(year=st.integers(1971, 2098))
def test_a_year_ends_where_the_next_begins(year: int) -> None:
    last, first = at(datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
    assert (last - first).abs().max() < 1e-3


@given(year=st.integers(1971, 2098))
@settings(max_examples=20)
def test_every_day_of_a_year_differs(year: int) -> None:
    start = datetime(year, 1, 1, 12, tzinfo=UTC)
    season = at(*(start + timedelta(days=d) for d in range(365)))[:, :2]
    distances = torch.cdist(season, season) + torch.eye(365) * 9
    assert distances.min() > 0.015
    assert torch.cdist(season[:1], season[-1:])[0, 0] < 0.05  # the first and the last day are neighbours


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_places_have_no_seam(lat: float, lon: float) -> None:
    places = torch.tensor([[lon, lat], [lon + 360.0, lat], [180.0, lat], [-180.0, lat], [lon, 90.0], [0.0, 90.0]])
    features = place_features(places)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(6))
    for a, b in ((0, 1), (2, 3), (4, 5)):
        torch.testing.assert_close(features[a], features[b], atol=1e-5, rtol=0)


@given(a=st.tuples(st.floats(-179, 179), st.floats(-89, 89)), b=st.tuples(st.floats(-179, 179), st.floats(-89, 89)))
def test_the_distance_of_places_is_the_chord(a: tuple[float, float], b: tuple[float, float]) -> None:

    chord = float((place_features(torch.tensor([a])) - place_features(torch.tensor([b]))).norm())
    (lon1, lat1), (lon2, lat2) = (tuple(map(math.radians, p)) for p in (a, b))
    haversine = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    assert chord == pytest.approx(2 * math.sqrt(haversine), abs=1e-5)
