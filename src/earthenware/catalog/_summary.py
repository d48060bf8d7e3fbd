"""The query's result on one page of Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from earthenware import storage
from earthenware.catalog._spec import QuerySpec
from earthenware.catalog._splits import Splits
from earthenware.catalog._table import Scene
from earthenware.sensors import CatalogProfile

_MOST_SITES = 30


def summary(
    spec: QuerySpec, profile: CatalogProfile, scenes: Sequence[Scene], splits: Splits, counts: Mapping[str, int]
) -> str:
    """Return the page."""
    first, last = (end(scene.optical.datetime for scene in scenes) for end in (min, max))
    lines = [
        "# Scenes",
        "",
        f"{counts['scenes']} scenes of {counts['sites']} sites, {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
        f"from {storage.redact(spec.catalog)} ({profile.title}).",
        "",
        "| count | value |",
        "|---|---:|",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in counts.items()),
        "",
        "| site | block | split | scenes | cloud (%) |",
        "|---|---|---|---:|---|",
    ]
    of_site = Counter(scene.optical.site for scene in scenes)
    for site in sorted(of_site)[:_MOST_SITES]:
        clouds = sorted(scene.optical.cloud_cover for scene in scenes if scene.optical.site == site)
        place = f"{site} | {splits.blocks[site]} | {splits.split[site]}"
        lines.append(f"| {place} | {of_site[site]} | {clouds[0]:.0f}..{clouds[-1]:.0f} |")
    if len(of_site) > _MOST_SITES:
        lines += ["", f"and {len(of_site) - _MOST_SITES} more sites."]
    if profile.notes:
        lines += ["", *(f"- {note}" for note in profile.notes)]
    return "\n".join(lines) + "\n"
