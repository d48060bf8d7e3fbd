"""Charts as inline SVG, in the colours of the page, readable in light and dark and by colour-blind readers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from earthenware.pages._html import number

WIDTH = 460


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers from at most ``low`` to at least ``high``, about ``count`` of them."""
    span = high - low or abs(high) or 1.0
    raw = span / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def svg(width: float, height: float, label: str, content: Iterable[str], *, left: float = 0, top: float = 0) -> Markup:
    """Return a drawing.

    Args:
        width: Width of what is shown.
        height: Height of it.
        label: What the drawing shows, for those who do not see it.
        content: Elements; what is not ``Markup`` is escaped.
        left: x of the left edge.
        top: y of the upper edge.
    """
    view = f"{left:g} {top:g} {width:g} {height:g}"
    body = Markup("").join(content)
    return Markup('<svg viewBox="{}" role="img" aria-label="{}">{}</svg>').format(view, label, body)


def element(tag: str, content: str | None = None, **attributes: object) -> Markup:
    """Return an SVG element; ``_`` in the name of an attribute stands for ``-``, and one that is empty is left out.

    Args:
        tag: Its name.
        content: Text (escaped unless it is ``Markup``) inside; None for an element that has no inside.
        **attributes: Its attributes; numbers are rounded to a tenth.
    """
    said = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _short(value))
        for name, value in attributes.items()
        if value not in (None, "")
    )
    if content is None:
        return Markup("<{}{}/>").format(tag, said)
    return Markup("<{0}{1}>{2}</{0}>").format(tag, said, content)


def _short(value: object) -> object:
    return f"{round(value, 1):g}" if isinstance(value, float) else value


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=kind)


def line_chart(
    x: Sequence[float], series: Sequence[tuple[str, str, Sequence[float | None]]], *, x_label: str, y_label: str
) -> Markup:
    """Draw lines over a common axis, each named at its end.

    Args:
        x: Positions.
        series: Name, colour class (a, b or c) and values of each line; None where there is none.
        x_label: What is on the x axis.
        y_label: What is on the y axis.
    """
    height, left, right, top, bottom = 270.0, 46.0, 86.0, 30.0, 42.0
    values = [v for _, _, line in series for v in line if v is not None and math.isfinite(v)]
    if not values or not x:
        return Markup()
    # From zero where that does not flatten the lines, so that a small gain does not look like a large one.
    floor = 0.0 if 0 <= min(values) < 0.6 * max(values) else min(values)
    marks = ticks(floor, max(values))
    low, high = marks[0], marks[-1]
    first, last = min(x), max(x)

    def place(px: float, py: float) -> tuple[float, float]:
        share = (px - first) / (last - first) if last > first else 0.5
        return left + share * (WIDTH - left - right), top + (high - py) / (high - low) * (height - top - bottom)

    parts = [_text(0, 14, y_label)]
    for mark in marks:
        y = place(first, mark)[1]
        parts.append(element("path", class_="axis", d=f"M{left:g} {y:.1f}H{WIDTH - right:g}"))
        parts.append(_text(left - 8, y + 4, number(mark), "end"))
    for mark in [m for m in ticks(first, last, 6) if first <= m <= last and m == int(m)] or [first]:
        parts.append(_text(place(mark, low)[0], height - bottom + 18, number(mark, 6), "middle"))
    parts.append(_text((left + WIDTH - right) / 2, height - 4, x_label, "middle"))
    ends: list[tuple[float, float, str, str]] = []
    for name, kind, line in series:
        points = [place(px, py) for px, py in zip(x, line, strict=True) if py is not None and math.isfinite(py)]
        if not points:
            continue
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
        parts.append(element("path", class_=f"ln {kind}", d=f"M{path}"))
        parts += [element("circle", class_=f"f{kind}", cx=px, cy=py, r=2.6) for px, py in points[-60:]]
        ends.append((*points[-1], name, kind))
    for (px, _, name, kind), py in zip(ends, _apart([end[1] for end in ends], 15.0), strict=True):
        parts.append(_text(px + 8, py + 4, name, kind=f"f{kind}"))
    said = "; ".join(f"{name} ends at {number(line[-1])}" for name, _, line in series if line)
    return svg(WIDTH, height, f"{y_label} over {x_label}: {said}", parts)


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Move labels so far apart that they do not overlap, in their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    result = list(places)
    for before, after in itertools.pairwise(order):
        result[after] = max(result[after], result[before] + least)
    return result


@dataclass(frozen=True)
class Dot:
    """A value on a row: its colour class (a, b or c), and an interval around it."""

    value: float
    kind: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class DotRow:
    """A named row of values; ``strong`` for the row that matters most."""

    name: str
    dots: tuple[Dot, ...]
    strong: bool = False
    heading: bool = False


def dot_chart(
    rows: Sequence[DotRow], *, label: str, low: float | None = 0.0, reference: tuple[float, str] | None = None
) -> Markup:
    """Draw values as dots on rows; a, b and c differ in shape as well as in colour.

    Args:
        rows: The rows from top to bottom.
        label: What is on the axis.
        low: Left end of the axis; None to fit.
        reference: A value to mark with a dashed line, and its name.
    """
    left, right, step, top = 132.0, 44.0, 26.0, 20.0 if reference else 10.0
    values = [v for row in rows for dot in row.dots for v in (dot.value, dot.low, dot.high) if v is not None]
    values = [v for v in values if math.isfinite(v)]
    if not values:
        return Markup()
    if reference:
        values.append(reference[0])
    marks = ticks(min(values) if low is None else low, max(values))
    start, end = marks[0], marks[-1]
    height = top + step * len(rows) + 44

    def place(value: float) -> float:
        return left + (value - start) / (end - start) * (WIDTH - left - right)

    bottom = top + step * len(rows) + 4
    parts = []
    for mark in marks:
        parts.append(element("path", class_="axis", d=f"M{place(mark):.1f} {top:g}V{bottom:g}"))
        parts.append(_text(place(mark), bottom + 16, number(mark), "middle"))
    parts.append(_text(left, bottom + 36, label))
    if reference:
        x = place(reference[0])
        line = f"M{x:.1f} {top - 2:g}V{bottom:g}"
        parts.append(element("path", class_="c", fill="none", stroke_dasharray="3 4", d=line))
        parts.append(_text(x, top - 7, reference[1], "middle"))
    for i, row in enumerate(rows):
        y = top + step * (i + 0.5)
        if row.heading:
            parts.append(_text(0, y + 4, row.name, kind="strong"))
            continue
        parts.append(_text(left - 14, y + 4, row.name, "end", "strong" if row.strong else ""))
        for dot in row.dots:
            if dot.low is not None and dot.high is not None:
                line = f"M{place(dot.low):.1f} {y:g}H{place(dot.high):.1f}"
                parts.append(element("path", class_=f"ln {dot.kind}", opacity=".55", d=line))
        for dot in sorted(row.dots, key=lambda d: d.kind, reverse=True):
            if math.isfinite(dot.value):
                parts.append(_shape(dot.kind, place(dot.value), y))
        if len(row.dots) == 1 and math.isfinite(row.dots[0].value):
            parts.append(_text(WIDTH - right + 8, y + 4, f"{row.dots[0].value:.2f}", kind="strong"))
    said = "; ".join(f"{row.name}: {', '.join(number(dot.value) for dot in row.dots)}" for row in rows if row.dots)
    return svg(WIDTH, height, f"{label}. {said}", parts)


def _shape(kind: str, x: float, y: float) -> Markup:
    """Draw a disc for a, a diamond for b, a bar for c."""
    if kind == "a":
        return element("circle", class_="fa", cx=x, cy=y, r=5.5)
    if kind == "b":
        return element("path", class_="fb", d=f"M{x:.1f} {y - 6:g}l6 6l-6 6l-6 -6z")
    return element("rect", class_="fc", x=x - 1.8, y=y - 7, width=3.6, height=14)
