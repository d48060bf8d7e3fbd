"""The floors of the house, the imports between its rooms, and the picture of both in ``architecture.md``.

``python -m docs.architecture`` draws the picture anew; ``tests/test_architecture.py`` holds the rules and the picture
to the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = REPOSITORY / "src" / "earthenware"
PICTURE: Final = REPOSITORY / "docs" / "images" / "architecture.svg"

FLOORS: Final[tuple[tuple[str, ...], ...]] = tuple(
    tuple(floor.split())
    for floor in (
        "errors lazy",
        "storage",
        "network",
        "processes",
        "steps",
        "tracking",
        "planning",
        "sensors",
        "rasters",
        "scenes",
        "chips",
        "models",
        "inference",
        "metrics",
        "products",
        "pages",
        "launch",
        "catalog datacube validation training evaluation embeddings report",
        "downstream explore sandbox",
        "graph",
        "compiling",
        "runner",
        "kubeflow",
        "doctor",
        "testing",
        "cli",
        "__main__",
    )
)
"""Lowest first: a room imports rooms of lower floors only. Rooms of one floor do not import each other."""

_WIDTH, _ROOM, _ROW, _TOP = 1180, 116, 62, 16


def imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that a module imports, wherever in it.

    Args:
        tree: The parsed module.
        package: Full name of the package that the module lies in, for relative imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            parent = ".".join([*base, *([node.module] if node.module else [])])
            # What is imported from a package may itself be a module: "from earthenware import storage".
            yield from ((node.lineno, f"{parent}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)


def room_of(path: Path, source: Path = SOURCE) -> str:
    """Return the room that a file belongs to; empty for the package's own ``__init__``."""
    first = path.relative_to(source).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def rooms(source: Path = SOURCE) -> dict[str, set[str]]:
    """Return every room of the source tree with the rooms that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(source.rglob("*.py")):
        room = room_of(path, source)
        package = ".".join(("earthenware", *path.relative_to(source).parent.parts))
        asked = found.setdefault(room, set())
        for _, name in imports(ast.parse(path.read_text(encoding="utf-8")), package):
            top, _, rest = name.partition(".")
            if top == "earthenware" and rest:
                asked.add(rest.partition(".")[0])
    found.pop("", None)
    return {room: {one for one in asked if one in found and one != room} for room, asked in found.items()}


def essential(arrows: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out the arrows that follow from others: a room reaches them through another room anyway."""

    def reach(room: str) -> set[str]:
        return set().union(arrows[room], *(reach(one) for one in arrows[room])) if arrows[room] else set()

    below = {room: reach(room) for room in arrows}
    return {
        room: {one for one in asked if not any(one in below[other] for other in asked)}
        for room, asked in arrows.items()
    }


def draw(source: Path = SOURCE) -> str:
    """Return the picture as SVG: rooms by floors, and the arrows that do not follow from others."""
    arrows = rooms(source)
    floors = [[room for room in floor if room in arrows and room != "__main__"] for floor in reversed(FLOORS)]
    rows = _rows([floor for floor in floors if floor], arrows)
    centre: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        gap = _WIDTH / (len(row) + 1) if len(row) < 8 else _WIDTH / len(row)
        for place, room in enumerate(row):
            x = gap * (place + 1) if len(row) < 8 else gap * (place + 0.5)
            centre[room] = (x, _TOP + number * _ROW + 18)
    height = _TOP * 2 + len(rows) * _ROW
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">',
        "<style>rect{fill:#fff;stroke:#8a5a3c}text{text-anchor:middle;fill:#2b2b2b}path{fill:none;stroke:#8a5a3c;"
        "stroke-opacity:.35}</style>",
        f'<rect width="{_WIDTH}" height="{height}" style="fill:#faf6f1;stroke:none"/>',
    ]
    for room, asked in sorted(essential(arrows).items()):
        for other in sorted(asked):
            if room in centre and other in centre:
                (x, y), (u, v) = centre[room], centre[other]
                y, v = y + 16, v - 16
                out.append(f'<path d="M{x:.0f} {y:.0f}C{x:.0f} {y + 26:.0f} {u:.0f} {v - 26:.0f} {u:.0f} {v:.0f}"/>')
    for room, (x, y) in centre.items():
        out.append(f'<rect x="{x - _ROOM / 2:.0f}" y="{y - 16:.0f}" width="{_ROOM}" height="32" rx="4"/>')
        out.append(f'<text x="{x:.0f}" y="{y + 5:.0f}" font-size="14">{escape(room)}</text>')
    return "\n".join([*out, "</svg>", ""])


def _rows(floors: list[list[str]], arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Put neighbouring floors side by side where their rooms do not import each other."""
    rows: list[list[str]] = []
    for floor in floors:
        if (
            rows
            and len(rows[-1]) + len(floor) <= 4
            and not any(room in arrows[above] for above in rows[-1] for room in floor)
        ):
            rows[-1] += floor
        else:
            rows.append(list(floor))
    return rows


def main() -> None:
    """Draw the picture anew."""
    PICTURE.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
