"""Print ``docs/errors.md``: ``python -m earthenware.errors``."""

from __future__ import annotations

from earthenware.errors._codes import CODES, EXIT_CODES, KINDS


def document() -> str:
    """Return the page of all codes in Markdown."""
    lines = [
        "# Error codes",
        "",
        "Every error has a code, one sentence and a remedy. Commands show all three and end with the exit code of the",
        "error's kind; a failed step also leaves them in `error.json`. `EARTHENWARE_ERRORS=json` makes a command print",
        "them as JSON. This page is made by `python -m earthenware.errors`.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "",
        "Where nobody reads its output any more, as in `| head`, a command that works goes on to its end and to its",
        "own exit code, and one that only shows something ends with 0. Output that cannot be written ends with 3.",
        "",
    ]
    for name, kind in KINDS.items():
        lines += [f"## {name}: exit code {kind.exit_code}", "", kind.meaning, "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {found.meaning} |" for code, found in sorted(CODES.items()) if found.kind == name]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(document(), end="")
