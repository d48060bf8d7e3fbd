"""The verdict as one short page that needs nothing from anywhere else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from earthenware.validation._verdict import Verdict

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2529; --soft: #5c6a70; --line: #d9dfe1; --paper: #fff; --band: #f3f5f5;
  --good: #1d6f42; --bad: #b3261e; --odd: #8a5a00; --bar: #7d9aa6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ea; --soft: #9aa7ad; --line: #38444a; --paper: #161b1e;
  --band: #1f262a; --good: #6cc793; --bad: #ff8a80; --odd: #e7b75f; --bar: #55727e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; }
h1.good { color: var(--good); } h1.bad { color: var(--bad); }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .35rem 0; } .soft { color: var(--soft); }
ul.findings { list-style: none; margin: 0; padding: 0; }
ul.findings li { border-left: 4px solid var(--bad); background: var(--band); padding: .6rem .9rem; margin: .5rem 0;
  overflow-wrap: anywhere; }
ul.findings.odd li { border-color: var(--odd); }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.findings code { font-weight: 600; } .findings .soft { font-size: .9em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child, th.left, td.left { text-align: left; }
td.text { text-align: left; white-space: normal; }
.share { display: inline-block; width: 10rem; height: .65rem; background: var(--band); }
.share i { display: block; height: 100%; background: var(--bar); }
details summary { cursor: pointer; font-weight: 600; margin: 2rem 0 .5rem; font-size: 1.05rem; }
"""

_UNITS: Final = {
    "sentinel-2-l2a": "reflectance &times; 10000",
    "sentinel-1-rtc": "gamma0 dB",
    "cop-dem-glo-30": "m",
    "land-cover": "class code",
}


def render_page(verdict: Verdict, store: str) -> str:
    """Return the page as HTML.

    Args:
        verdict: The verdict.
        store: What to call the store in the heading; its URI without credentials.
    """
    body = [
        _heading(verdict, store),
        _findings("What closes the gate", verdict.failures, ""),
        _findings("What to look at", verdict.warnings, " odd"),
        _counts(verdict.statistics),
        _bands(verdict.statistics.get("bands", {})),
        _met(verdict),
        '<p class="soft">The same results in full: <a href="data_docs/index.html">Data Docs of Great Expectations</a> '
        "(that page loads its styles from the net).</p>",
    ]
    title = f"Validation: {'passed' if verdict.passed else 'failed'}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An empty icon keeps a browser from asking a server for one.
        f'<link rel="icon" href="data:,"><title>{title}</title><style>{_STYLE}</style></head>\n'
        f"<body>\n{''.join(body)}</body></html>\n"
    )


def _heading(verdict: Verdict, store: str) -> str:
    figures = verdict.statistics
    expectations = verdict.to_json()["statistics"]["expectations"]
    if verdict.passed:
        title = "The chips passed validation"
        title += f", with {_count(len(verdict.warnings), 'warning')}" if verdict.warnings else ""
    else:
        title = f"The chips failed validation: {_count(len(verdict.failures), 'expectation')} not met"
    places = (
        f" from {_count(figures['scenes'], 'scene')} of {_count(figures['places'], 'place')}"
        if "places" in figures
        else ""
    )
    return (
        f'<h1 class="{"good" if verdict.passed else "bad"}">{title}</h1>\n'
        f"<p>{_count(figures['chips'], 'chip')}{places}; pixels of {figures['chips_examined']:,} were read. "
        f"{expectations['met']} of {expectations['evaluated']} expectations are met.</p>\n"
        f'<p class="soft"><code>{escape(store)}</code></p>\n'
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _findings(title: str, entries: Sequence[Mapping[str, str]], kind: str) -> str:
    if not entries:
        return ""
    items = "".join(
        f"<li><code>{escape(entry['expectation'])}</code> {escape(entry['sentence'])}"
        f'<br><span class="soft">Expected: {escape(entry["expected"])}.</span></li>\n'
        for entry in entries
    )
    return f'<h2>{title}</h2>\n<ul class="findings{kind}">\n{items}</ul>\n'


def _counts(statistics: Mapping[str, Any]) -> str:
    total = max(1, int(statistics["chips"]))
    rows = [("split", name, count) for name, count in statistics["splits"].items()]
    rows += [("sensor", name, count) for name, count in statistics["sensors"].items()]
    if not rows:
        return ""
    cells = "".join(
        f'<tr><td>{escape(kind)}</td><td class="left">{escape(name)}</td><td>{count:,}</td><td>{count / total:.0%}</td>'
        f'<td class="left"><span class="share"><i style="width:{100 * count / total:.1f}%"></i></span></td></tr>\n'
        for kind, name, count in rows
    )
    head = '<tr><th></th><th class="left">name</th><th>chips</th><th>share</th><th></th></tr>'
    return f'<h2>Splits and sensors</h2>\n<div class="scroll"><table>{head}\n{cells}</table></div>\n'


def _bands(sensors: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    columns = ("minimum", "mean", "maximum", "std", "nodata_fraction", "implausible_share")
    rows = []
    for sensor, bands in sensors.items():
        for band, values in bands.items():
            numbers = "".join(f"<td>{_number(name, values.get(name))}</td>" for name in columns)
            unit = f'<td class="left soft">{_UNITS.get(sensor, "")}</td>'
            rows.append(f'<tr><td>{escape(sensor)}</td><td class="left">{escape(band)}</td>{numbers}{unit}</tr>\n')
    if not rows:
        return ""
    head = (
        '<tr><th>sensor</th><th class="left">band</th><th>lowest</th><th>mean</th><th>highest</th><th>std</th>'
        '<th>nodata</th><th>implausible</th><th class="left">unit</th></tr>'
    )
    table = f'<div class="scroll"><table>{head}\n{"".join(rows)}</table></div>'
    return f"<h2>Bands, over the chips that were read</h2>\n{table}\n"


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "&ndash;"
    return f"{value:.2%}" if name.endswith(("fraction", "share")) else f"{value:,.1f}".replace("-", "&minus;")


def _met(verdict: Verdict) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(entry['expectation'])}</code></td>"
        f'<td class="text">{escape(entry["expected"])}</td></tr>\n'
        for entry in verdict.met
    )
    skipped = ", ".join(f"<code>{escape(name)}</code>" for name in verdict.skipped)
    note = (
        f'<p class="soft">Not evaluated, as the store has nothing that they are about: {skipped}.</p>\n'
        if skipped
        else ""
    )
    summary = f"<summary>The {len(verdict.met)} expectations that are met</summary>"
    return f"<details>{summary}\n<table>{rows}</table>\n{note}</details>\n"
