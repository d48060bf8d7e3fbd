"""Pages: what comes from outside is text, whatever it looks like, and a page can load nothing."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware.pages import Dot, DotRow, data_uri, dot_chart, element, encode_png, line_chart, number, render, svg

HOSTILE = ("<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "{{ 7 * 7 }}{% raw %}", "a & b < c")
ALLOWED = {"html", "head", "meta", "title", "style", "body", "main", "section", "h2", "div", "table", "thead", "tbody",
           "tr", "th", "td", "figure", "figcaption", "img", "svg", "text", "path", "circle", "rect"}  # fmt: skip
TEMPLATE = """
{% extends "page.html" %}
{% import "parts.html" as parts %}
{% block body %}
{% call parts.section(title) %}
{{ parts.table([title, title], [[title, title], [title, title]], numbers=[1]) }}
{% call parts.figure(title, "px") %}{{ parts.image(picture, title) }}{% endcall %}
{{ chart }}
{% endcall %}
{% endblock %}
"""


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def room(tmp_path, monkeypatch) -> str:
    """A package with a template that uses every part of a page."""
    folder = tmp_path / "somewhere"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "templates" / "all.html").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "somewhere"
    sys.modules.pop("somewhere", None)


def page_of(room: str, text: str) -> str:
    dots = [DotRow(text, (Dot(0.5, "a", 0.1, 0.9),), strong=True), DotRow(text, (), heading=True)]
    lines = line_chart([1, 2], [(text, "a", [1.0, 2.0])], x_label=text, y_label=text)
    charts = dot_chart(dots, label=text, reference=(0.3, text)) + lines + svg(4, 4, text, [element("text", text)])
    picture = encode_png(np.zeros((2, 2, 3), np.uint8))
    return render(room, "all.html", title=text, picture=picture, chart=charts)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_comes_from_outside_stays_text(room, text):
    page = page_of(room, text)
    found = Tags(page)
    assert {tag for tag, _ in found.tags} <= ALLOWED
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert found.text.count(text) > 10
    assert [a["alt"] for tag, a in found.tags if tag == "img"] == [text]
    assert all(text in (a["aria-label"] or "") for tag, a in found.tags if tag == "svg")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30))
def test_an_element_gives_back_any_text(text):
    found = Tags(element("text", text, fill=text))
    assert found.text == text
    assert found.tags[0][1].get("fill", "") == text


def test_a_page_forbids_what_it_does_not_hold(room):
    page = page_of(room, "plain")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src" not in policy[1]
    assert not re.search(r"url\(|@import|https?://", page)


def test_a_value_that_is_missing_is_an_error(room):
    with pytest.raises(jinja2.UndefinedError, match="picture"):
        render(room, "all.html", title="x", chart="")


def test_a_chart_of_nothing_is_nothing():
    assert line_chart([], [], x_label="x", y_label="y") == ""
    assert dot_chart([DotRow("a", (Dot(float("nan"), "a"),))], label="x") == ""


def test_pictures_say_what_they_are():
    assert data_uri(encode_png(np.zeros((1, 1, 3), np.uint8))).startswith("data:image/png;base64,")
    assert data_uri(b"\xff\xd8").startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\u2013"), (float("nan"), "\u2013"), (0.123456, "0.123"), (1234567, "1,234,567"), (0.00001234, "0.000012"),
     (12.0, "12"), (-0.5, "-0.5"), (98765.4, "98,765"), (0.0, "0")],
)  # fmt: skip
def test_numbers_read_well(value, text):
    assert number(value) == text
