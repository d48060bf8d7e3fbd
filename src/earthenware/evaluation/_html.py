"""The look of a page: one style sheet, and small builders of escaped HTML. Nothing is loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as escape
from pathlib import Path
from typing import Final

from earthenware import pages
from earthenware.pages import data_uri
from earthenware.pages import number as number

STYLE: Final = (Path(pages.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")


def document(title: str, body: str) -> str:
    """Return a whole page; ``body`` is HTML."""
    # A page without this policy would still load nothing; with it, a browser refuses should anything slip in.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )


def section(title: str, *content: str) -> str:
    """Return a section with a heading; empty where it has no content."""
    body = "\n".join(part for part in content if part)
    return f"<section><h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table of plain texts; the columns in ``numbers`` are aligned right."""

    def cell(tag: str, column: int, text: str, scope: str = "") -> str:
        kind = ' class="n"' if column in numbers else ""
        return f"<{tag}{kind}{scope}>{escape(text)}</{tag}>"

    top = "".join(cell("th", i, text, ' scope="col"') for i, text in enumerate(head))
    lines = [
        "<tr>"
        + cell("th", 0, row[0], ' scope="row"')
        + "".join(cell("td", i, text) for i, text in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    ]
    header = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    return f'<div class="scroll"><table>{header}<tbody>{"".join(lines)}</tbody></table></div>'


def image(data: bytes, alt: str, *, lazy: bool = True) -> str:
    """Return a picture that lies in the page."""
    loading = ' loading="lazy"' if lazy else ""
    return f'<img src="{data_uri(data)}" alt="{escape(alt)}"{loading}>'


def figure(content: str, caption: str, kind: str = "") -> str:
    """Return content (HTML) with a caption (plain text)."""
    css = f' class="{kind}"' if kind else ""
    return f"<figure{css}>{content}<figcaption>{escape(caption)}</figcaption></figure>"
