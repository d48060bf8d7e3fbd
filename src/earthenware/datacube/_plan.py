"""What a build is divided into: parts of some small scenes each, and strips of large ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from earthenware.datacube._grid import chip_starts
from earthenware.datacube._spec import BuildSpec
from earthenware.scenes import SceneRow

STRIP_PIXELS: Final = 6 * 2**20
"""Pixels of a scene that are held at once; with four files read side by side a process then peaks at 1.4 GB."""


@dataclass
class PlannedPart:
    """What a part holds.

    Attributes:
        scenes: Its scenes; one where it is a strip.
        chips: About how many chips they hold before any is left out.
        rows: Of a strip the first and one past the last of its scene's rows of chips; None for whole scenes.
    """

    scenes: list[SceneRow]
    chips: int = 0
    rows: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        """Its name, which depends on scenes and rows alone: a later attempt finds it again.

        The strips of a scene follow each other in the order of their names.
        """
        name = hashlib.sha256("\n".join(row["id"] for row in self.scenes).encode()).hexdigest()[:16]
        return name if self.rows is None else f"{name}-{self.rows[0]:05d}-{self.rows[1]:05d}"

    def is_spoilt(self, rejected: Collection[str]) -> bool:
        """Return whether it is a strip of a scene that is rejected: what one strip finds holds for all of them."""
        return self.rows is not None and self.scenes[0]["id"] in rejected


def plan_parts(rows: Sequence[SceneRow], spec: BuildSpec) -> dict[str, PlannedPart]:
    """Divide scenes, given in hash order, among parts, by their keys.

    A part is closed when a further scene may bring more chips than ``part_chips``. A scene of more pixels than are held
    at once is cut into strips, each a part of its own.
    """
    size = spec.chip_size
    parts: list[PlannedPart] = []
    for row in rows:
        height, width = int(row["height"] or 0), int(row["width"] or 0)
        across = width // size
        if height * width > STRIP_PIXELS and height >= size:
            strips = _strips(chip_starts(height, size, spec.edges).tolist(), width, size)
            parts += [PlannedPart([row], (stop - first) * across, (first, stop)) for first, stop in strips]
            continue
        chips = height // size * across
        if parts and parts[-1].rows is None and parts[-1].chips + chips <= spec.part_chips:
            parts[-1].scenes.append(row)
            parts[-1].chips += chips
        else:
            parts.append(PlannedPart([row], chips))
    return {part.key: part for part in parts}


def _strips(tops: Sequence[int], width: int, size: int) -> list[tuple[int, int]]:
    """Divide rows of chips, given by their first pixels, into runs that fit into memory."""
    first, strips = 0, []
    for row, top in enumerate(tops):
        if row > first and (top + size - tops[first]) * width > STRIP_PIXELS:
            strips.append((first, row))
            first = row
    return [*strips, (first, len(tops))]
