"""Training, validation and test places: blocks of ground, hashed, never straddling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shapely.geometry import box

from earthenware.catalog._grid import Grid, to_degrees, transformer
from earthenware.catalog._sampling import seeded_fraction

_KM_PER_DEGREE: Final = 111.32
_SAME_PLACE: Final = 0.2  # share of the smaller place's ground; tiles of one zone overlap by less than that


Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in metres."""


@dataclass(frozen=True)
class Place:
    """The ground of one site.

    Attributes:
        site: Its name.
        grid: The grid of its scenes.
    """

    site: str
    grid: Grid

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle in degrees."""
        left, bottom, right, top = self.grid.bounds
        return to_degrees((left + right) / 2, (bottom + top) / 2, self.grid.crs)


@dataclass(frozen=True)
class Splits:
    """The division of the places.

    Attributes:
        split: Site -> ``train``, ``validation`` or ``test``.
        blocks: Site -> its block.
        groups: Site -> the first block of its group: sites of one block, or of the same ground.
        withheld: Site -> bounds (left, bottom, right, top in metres of its grid's CRS) of ground that it shares with
            a place of a split that takes precedence: chips that touch it must be left out. Sites without are absent.
    """

    split: Mapping[str, str]
    blocks: Mapping[str, str]
    groups: Mapping[str, str]
    withheld: Mapping[str, tuple[Bounds, ...]]


def block_of(longitude: float, latitude: float, block_km: float) -> str:
    """Return the block of ground that a place lies in: rows of equal height, columns of about equal width.

    The columns of a row divide the whole circle evenly, so the antimeridian lies on a border like any other.
    """
    rows = max(1, round(180 * _KM_PER_DEGREE / block_km))
    row = min(int((latitude + 90) / 180 * rows), rows - 1)
    middle = math.radians((row + 0.5) / rows * 180 - 90)
    columns = max(1, round(360 * _KM_PER_DEGREE * math.cos(middle) / block_km))
    column = int(((longitude + 180) % 360) / 360 * columns)
    return f"{rows}-{row}-{min(column, columns - 1)}"


def split_places(
    places: Mapping[str, Grid], seed: int, validation_percent: float, test_percent: float, block_km: float
) -> Splits:
    """Divide places among the splits.

    A place belongs to the block of its middle. Places that share a block, or more than a fifth of their ground, go
    together; the group's split follows from the seed and the group's first block alone, so adding places elsewhere
    changes nothing. With two groups or more, training and validation (where asked for) are never empty: the group with
    the smallest hash becomes validation, the one with the largest training. A single group trains. Where places of
    different splits still share a strip of ground (tiles overlap), the strip is withheld from the one that trains.

    Args:
        places: Site -> grid.
        seed: Seed of the hash.
        validation_percent: Share of the groups in percent.
        test_percent: Share of the groups in percent.
        block_km: Side of a block in km.
    """
    ordered = [Place(site, places[site]) for site in sorted(places)]
    blocks = {place.site: block_of(*place.centre, block_km) for place in ordered}
    groups = _groups(ordered, blocks)
    names = {site: min(blocks[member] for member in members) for members in groups for site in members}
    hashes = {name: seeded_fraction(seed, f"block/{name}") for name in set(names.values())}
    of_group = {name: _split_of(number, validation_percent, test_percent) for name, number in hashes.items()}
    by_hash = sorted(hashes, key=lambda name: (hashes[name], name))
    if len(by_hash) >= 2:
        if validation_percent > 0 and "validation" not in of_group.values():
            of_group[by_hash[0]] = "validation"
        if "train" not in of_group.values():
            of_group[by_hash[-1]] = "train"
    else:
        of_group = dict.fromkeys(of_group, "train")
    split = {site: of_group[names[site]] for site in names}
    return Splits(split, blocks, names, _shared_with_other_splits(ordered, split))


def _split_of(number: float, validation_percent: float, test_percent: float) -> str:
    if number < validation_percent / 100:
        return "validation"
    return "test" if number < (validation_percent + test_percent) / 100 else "train"


def _groups(places: list[Place], blocks: Mapping[str, str]) -> list[list[str]]:
    parent = {place.site: place.site for place in places}

    def root(site: str) -> str:
        while parent[site] != site:
            parent[site] = parent[parent[site]]
            site = parent[site]
        return site

    first: dict[str, str] = {}
    for place in places:
        parent[root(place.site)] = root(first.setdefault(blocks[place.site], place.site))
    for one, other in _neighbours(places):
        shared = _shared(one.grid, other.grid)
        smaller = min(_area(one.grid), _area(other.grid))
        if shared is not None and _box_area(shared) > _SAME_PLACE * smaller:
            parent[root(one.site)] = root(other.site)
    groups: dict[str, list[str]] = {}
    for place in places:
        groups.setdefault(root(place.site), []).append(place.site)
    return list(groups.values())


def _neighbours(places: list[Place]) -> list[tuple[Place, Place]]:
    """Return the pairs of places whose boxes in degrees touch, found with a spatial index."""
    from shapely import STRtree

    boxes = [_degrees(place.grid) for place in places]
    # The index does not wrap at the antimeridian: look there with boxes moved by a full circle as well.
    west, south, east, north = zip(*(one.bounds for one in boxes), strict=True) if boxes else ((), (), (), ())
    moved = [box(w + 360, s, e + 360, n) for w, s, e, n in zip(west, south, east, north, strict=True)]
    tree = STRtree(boxes + moved)
    pairs = set()
    for index, one in enumerate(boxes):
        for hit in tree.query(one):
            other = int(hit) % len(boxes)
            if other != index:
                pairs.add((min(index, other), max(index, other)))
    return [(places[one], places[other]) for one, other in sorted(pairs)]


def _degrees(grid: Grid) -> box:
    west, south, east, north = transformer(grid.crs, "OGC:CRS84").transform_bounds(*grid.bounds, densify_pts=5)
    return box(west, south, east if east >= west else east + 360, north)


def _shared(one: Grid, other: Grid) -> Bounds | None:
    """Return the bounds that two grids share, in metres of the first one's CRS."""
    left, bottom, right, top = one.bounds
    theirs = other.bounds
    if other.crs != one.crs:
        theirs = transformer(other.crs, one.crs).transform_bounds(*theirs, densify_pts=21)
    shared = max(left, theirs[0]), max(bottom, theirs[1]), min(right, theirs[2]), min(top, theirs[3])
    return shared if shared[0] < shared[2] and shared[1] < shared[3] else None


def _area(grid: Grid) -> float:
    return _box_area(grid.bounds)


def _box_area(bounds: Bounds) -> float:
    return (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])


def _shared_with_other_splits(places: list[Place], split: Mapping[str, str]) -> dict[str, tuple[Bounds, ...]]:
    precedence = {"test": 0, "validation": 1, "train": 2}
    withheld: dict[str, tuple[Bounds, ...]] = {}
    for pair in _neighbours(places):
        keeps, gives = sorted(pair, key=lambda place: precedence[split[place.site]])
        if split[keeps.site] == split[gives.site]:
            continue
        shared = _shared(gives.grid, keeps.grid)
        if shared is not None:
            withheld[gives.site] = (*withheld.get(gives.site, ()), shared)
    return withheld
