"""What people look at: HTML pages from templates, charts, and pictures of pixels. Nothing here reads or writes files.

A room keeps its templates in its folder ``templates`` and renders them with :func:`render`; they extend ``page.html``
and import the macros of ``parts.html``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.pages._charts import Dot, DotRow, dot_chart, element, line_chart, svg, ticks
    from earthenware.pages._findings import NAMES, Findings
    from earthenware.pages._html import data_uri, number, render
    from earthenware.pages._pictures import (
        CLEAR,
        FLAG_COLOURS,
        MISSING,
        Picture,
        encode_jpeg,
        encode_png,
        hatch,
        montage,
        natural_colour,
        shade,
        shade_flags,
    )
    from earthenware.pages._views import View, chip_thumbnails, sensor_views, views_of
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "CLEAR",
    "FLAG_COLOURS",
    "MISSING",
    "NAMES",
    "Dot",
    "DotRow",
    "Findings",
    "Picture",
    "View",
    "chip_thumbnails",
    "data_uri",
    "dot_chart",
    "element",
    "encode_jpeg",
    "encode_png",
    "hatch",
    "line_chart",
    "montage",
    "natural_colour",
    "number",
    "render",
    "sensor_views",
    "shade",
    "shade_flags",
    "svg",
    "ticks",
    "views_of",
]
