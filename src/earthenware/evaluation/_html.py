"""The look of a page: one style sheet, and small builders of escaped HTML. Nothing is loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape as escape
from typing import Final

STYLE: Final = """
:root{--paper:#fbfaf6;--card:#fff;--ink:#20251f;--soft:#5d665e;--line:#dcd9cf;--a:#b0502a;--b:#17707b;--c:#7d8279;
--warn:#8a5a00;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--paper:#151815;--card:#1d211d;--ink:#e9e7df;--soft:#a3aba2;--line:#383e38;
--a:#e8936a;--b:#63bcc6;--c:#99a096;--warn:#e5b567}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main{max-width:61rem;margin:0 auto;padding:2.2rem 1.1rem 4rem}
h1,h2{font-family:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,serif;font-weight:600;
line-height:1.15;letter-spacing:-.01em}
h1{font-size:clamp(1.9rem,5vw,2.7rem);margin:.2rem 0 .5rem}
h2{font-size:1.5rem;margin:3.2rem 0 .4rem;padding-top:1rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.8rem 0 .4rem}h3 .note{font-weight:400;margin-left:.3em}
p{max-width:44rem;margin:.5rem 0}
.lead{font-size:1.08rem;color:var(--soft)}
.eyebrow{font-size:.78rem;letter-spacing:.12em;text-transform:uppercase;color:var(--a);margin:0}
.note{color:var(--soft);font-size:.92rem}
.warn{border-left:3px solid var(--warn);padding:.1rem .8rem;color:var(--warn);font-size:.95rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.7rem;margin:1.6rem 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem .95rem}
.tile b{display:block;font-size:1.65rem;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:.84rem;display:block;line-height:1.35}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;margin:.8rem 0;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:left;padding:.38rem .9rem .38rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft)}
tbody th{font-weight:400;color:var(--ink);min-width:8.5rem}
td.n,th.n{text-align:right}td.n{white-space:nowrap}
td.n:last-child,th.n:last-child{padding-right:0}.two table{font-size:.86rem}.two th,.two td{padding-right:.6rem}
.two>figure{max-width:30rem}
figure{margin:0}
figcaption{color:var(--soft);font-size:.84rem;line-height:1.4;margin:.3rem 0 0}
img{display:block;width:100%;height:auto;border-radius:4px}
.px img{image-rendering:pixelated}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:1.4rem 2rem;align-items:start}
.five{display:grid;grid-template-columns:repeat(5,1fr);gap:.5rem}
.three{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,16.5rem),1fr));gap:1.4rem}
.six{display:grid;grid-template-columns:repeat(6,1fr);gap:.5rem}
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.2rem,1fr));gap:.8rem}
.heads{display:grid;grid-template-columns:repeat(3,1fr);gap:2px;font-size:.76rem;color:var(--soft);text-align:center;
margin-bottom:.2rem}
@media (max-width:640px){.five{grid-template-columns:repeat(3,1fr)}.six{grid-template-columns:repeat(3,1fr)}
main{padding-top:1.4rem}h2{margin-top:2.4rem}}
svg{display:block;width:100%;height:auto;overflow:visible;font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,
sans-serif}
svg text{fill:var(--soft)}svg .strong{fill:var(--ink)}
.axis{stroke:var(--line);fill:none}.a{stroke:var(--a)}.b{stroke:var(--b)}.c{stroke:var(--c)}
.fa{fill:var(--a)!important}.fb{fill:var(--b)!important}.fc{fill:var(--c)!important}
.ln{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.84rem;color:var(--soft);padding:0;margin:.5rem 0;
list-style:none}
.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;vertical-align:-.05em;
border:1px solid rgba(128,128,128,.5)}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--b)}
pre{overflow-x:auto;font-size:.8rem;line-height:1.45;background:var(--card);border:1px solid var(--line);
border-radius:6px;padding:.7rem .9rem}
code{font-size:.88em;overflow-wrap:anywhere}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;color:var(--soft);font-size:.86rem}
""".replace("\n", "")


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


def data_uri(data: bytes) -> str:
    """Return a picture as a link that holds it."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def image(data: bytes, alt: str, *, lazy: bool = True) -> str:
    """Return a picture that lies in the page."""
    loading = ' loading="lazy"' if lazy else ""
    return f'<img src="{data_uri(data)}" alt="{escape(alt)}"{loading}>'


def figure(content: str, caption: str, kind: str = "") -> str:
    """Return content (HTML) with a caption (plain text)."""
    css = f' class="{kind}"' if kind else ""
    return f"<figure{css}>{content}<figcaption>{escape(caption)}</figcaption></figure>"


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
