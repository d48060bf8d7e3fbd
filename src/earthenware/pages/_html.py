"""HTML from templates: everything is escaped, and a page loads nothing from anywhere."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(room: str, template: str, **values: Any) -> str:
    """Fill a template; every value is escaped unless it is ``Markup``, and a value that is missing is an error.

    Args:
        room: Package whose folder ``templates`` holds the template, such as ``earthenware.report``. Templates may
            extend ``page.html`` and import ``parts.html`` of this room.
        template: File name of the template.
        **values: What the template shows.

    Raises:
        jinja2.UndefinedError: When the template asks for a value that was not given.
    """
    return _environment(room).get_template(template).render(values)


@lru_cache
def _environment(room: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((room, __package__))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"data_uri": data_uri, "number": number}
    return environment


def data_uri(data: bytes) -> str:
    """Return a PNG or JPEG picture as a link that holds it."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits, a dash for none."""
    if value is None or value != value:
        return "\u2013"
    if value == int(value) and abs(value) >= 10:
        return f"{int(value):,}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return f"{float(text):f}".rstrip("0").rstrip(".") if "e" in text else text
