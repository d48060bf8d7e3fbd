"""Cron expressions and intervals."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware.errors import EarthenwareError
from earthenware.kubeflow import parse_cron, parse_interval


@pytest.mark.parametrize(
    ("given_text", "read"),
    [
        ("0 6 * * mon", "0 0 6 * * mon"),  # a crontab's five fields: Kubeflow would read the second from the first
        ("30 0 6 * * 1-5", "30 0 6 * * 1-5"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("0 0 1,15 jan-mar ?", "0 0 0 1,15 jan-mar ?"),
        ("  @Daily ", "@daily"),
    ],
)
def test_cron_gets_its_second(given_text, read):
    assert parse_cron(given_text) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 fields"),
        ("* * *", "3 fields"),
        ("60 * * * *", "minute '60' is not within 0 to 59"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day of the month '0' is not within 1 to 31"),
        ("* * * 13 *", "month '13'"),
        ("* * * * 7", "day of the week '7' is not within 0 to 6"),
        ("* * * * funday", "day of the week 'funday' is not a number"),
        ("*/0 * * * *", "step"),
        ("5-1 * * * *", "ends before it starts"),
        ("1-2-3 * * * *", "not a number"),
        ("@every 1h", "2 fields"),
    ],
)
def test_a_wrong_cron_names_the_field(text, said):
    with pytest.raises(EarthenwareError, match=said) as error:
        parse_cron(text)
    assert error.value.code == "BAD_OPTION"
    assert "crontab" in error.value.remedy


_FIELDS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


def _field(low, high):
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    one = st.one_of(st.just("*"), number.map(str), pair, st.integers(1, 30).map("*/{}".format))
    return st.lists(one, min_size=1, max_size=3).map(",".join)


@given(st.tuples(*(_field(low, high) for low, high in _FIELDS)))
def test_every_well_formed_cron_is_kept(fields):
    text = " ".join(fields)
    assert parse_cron(text) == text
    assert parse_cron(" ".join(fields[1:])) == " ".join(["0", *fields[1:]])


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    for parse in (parse_cron, parse_interval):
        with contextlib.suppress(EarthenwareError):
            assert parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("6h", 21600), ("1d", 86400), ("3600", 3600), ("2w", 1209600)]
)
def test_intervals(text, seconds):
    assert parse_interval(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "59s", "h", "-1h", "1.5h", "1 month", "999999999d"])
def test_wrong_intervals(text):
    with pytest.raises(EarthenwareError, match="not a time of at least a minute"):
        parse_interval(text)
