"""Boxes, intervals and the fields of a query."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware.catalog import QuerySpec, parse_bbox, parse_interval
from earthenware.errors import EarthenwareError
from earthenware.steps import parse_spec


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("", ()),
        ("5,49,6,50", ((5, 49, 6, 50),)),
        (" -180, -90, 180, 90 ", ((-180, -90, 180, 90),)),
        ("170,-20,-170,-10", ((170, -20, 180, -10), (-180, -20, -170, -10))),
        ("180,0,-170,1", ((-180, 0, -170, 1),)),
        ("170,0,-180,1", ((170, 0, 180, 1),)),
    ],
)
def test_boxes(text, boxes):
    assert parse_bbox(text) == boxes


@pytest.mark.parametrize(
    "text",
    ["1,2,3", "1,2,3,4,5", "a,b,c,d", "5,50,6,49", "5,50,5,51", "0,0,181,1", "0,-91,1,1", "nan,0,1,1"],
)
def test_boxes_that_are_none(text):
    with pytest.raises(ValueError):
        parse_bbox(text)


@given(st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90)))
def test_every_box_that_is_read_lies_on_earth_and_has_an_area(numbers):
    try:
        boxes = parse_bbox(",".join(map(repr, numbers)))
    except ValueError:
        return
    for west, south, east, north in boxes:
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
    width = sum(east - west for west, _, east, _ in boxes)
    assert width == pytest.approx((numbers[2] - numbers[0]) % 360 or 360)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("", None, None),
        ("2021", (2021, 1, 1), (2021, 12, 31, 23, 59, 59)),
        ("2020-02", (2020, 2, 1), (2020, 2, 29, 23, 59, 59)),
        ("2021-06-30", (2021, 6, 30), (2021, 6, 30, 23, 59, 59)),
        ("2021-06-01/2021-08", (2021, 6, 1), (2021, 8, 31, 23, 59, 59)),
        ("2021/..", (2021, 1, 1), None),
        ("../2021", None, (2021, 12, 31, 23, 59, 59)),
        ("2021-06-01T10:00:00Z/2021-06-01T12:00:00+01:00", (2021, 6, 1, 10), (2021, 6, 1, 11)),
    ],
)
def test_intervals(text, first, last):
    assert parse_interval(text) == tuple(end and datetime(*end, tzinfo=UTC) for end in (first, last))


@pytest.mark.parametrize("text", ["..", "2021/2020", "2021-13", "2021-02-30", "june", "2021/2022/2023", "21", "../.."])
def test_intervals_that_are_none(text):
    with pytest.raises(ValueError):
        parse_interval(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bbox", "5,50,6,49"),
        ("datetime", "june"),
        ("max_cloud", 50),
        ("max_nodata", 1.01),
        ("max_days", "sentinel-1-rtc=-1"),
        ("max_days", "sentinel-1-rtc"),
        ("max_days", "cop-dem-glo-30=3"),
        ("max_days", "sentinel-9=3"),
        ("collections", "esa-worldcover"),
        ("sensors", "sentinel-1-rtc"),
        ("sensors", "sentinel-2-l2a,landsat-c2-l2"),
        ("sensors", "sentinel-2-l2a,sentinel-9"),
        ("validation_percent", 95),
        ("on_missing_sensor", "maybe"),
        ("split_block_km", 0),
        ("catalog", "  "),
    ],
)
def test_a_wrong_field_is_named_with_its_value(field, value):
    with pytest.raises(EarthenwareError, match=field) as error:
        parse_spec(QuerySpec, {"catalog": "items.json", field: value})
    assert error.value.code == "BAD_SPEC"
    assert str(value).strip() in error.value.message


def test_shares_must_leave_room_for_training():
    with pytest.raises(EarthenwareError, match="test_percent"):
        parse_spec(QuerySpec, {"catalog": "x", "validation_percent": 60, "test_percent": 50})


def test_every_field_is_described_and_how_many_requests_changes_nothing():
    for name, field in QuerySpec.model_fields.items():
        assert field.description, name
    assert QuerySpec(catalog="x", requests=1).fingerprint() == QuerySpec(catalog="x", requests=9).fingerprint()
    assert QuerySpec(catalog="x", seed=1).fingerprint() != QuerySpec(catalog="x").fingerprint()
