"""Training, validation and test sites: blocks of ground, hashed, never straddling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from odc.geo.geobox import GeoBox
from shapely.geometry import box

from earthenware.catalog._grid import to_degrees, transformer
from earthenware.catalog._sampling import seeded_fraction
from earthenware.scenes import Bounds

_KM_PER_DEGREE: Final = 111.32
_SAME_SITE: Final = 0.2  # share of the smaller site's ground; tiles of one zone overlap by less than that


@dataclass(frozen=True)
class Site:
    """The ground of one site.

    Attributes:
        site: Its name.
        grid: The grid of its scenes.
    """

    site: str
    grid: GeoBox

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle in degrees."""
        left, bottom, right, top = self.grid.boundingbox.bbox
        return to_degrees((left + right) / 2, (bottom + top) / 2, str(self.grid.crs))


@dataclass(frozen=True)
class Splits:
    """The division of the sites.

    Attributes:
        split: Site -> ``train``, ``validation`` or ``test``.
        blocks: Site -> its block.
        groups: Site -> the first block of its group: sites of one block, or of the same ground.
        withheld: Site -> bounds (left, bottom, right, top in metres of its grid's CRS) of ground that it shares with
            a site of a split that takes precedence: chips that touch it must be left out. Sites without are absent.
    """

    split: Mapping[str, str]
    blocks: Mapping[str, str]
    groups: Mapping[str, str]
    withheld: Mapping[str, tuple[Bounds, ...]]


def block_of(longitude: float, latitude: float, block_km: float) -> str:
    """Return the block of ground that a site lies in: rows of equal height, columns of about equal width.

    The columns of a row divide the whole circle evenly, so the antimeridian lies on a border like any other.
    """
    rows = max(1, round(180 * _KM_PER_DEGREE / block_km))
    row = min(int((latitude + 90) / 180 * rows), rows - 1)
    middle = math.radians((row + 0.5) / rows * 180 - 90)
    columns = max(1, round(360 * _KM_PER_DEGREE * math.cos(middle) / block_km))
    column = int(((longitude + 180) % 360) / 360 * columns)
    return f"{rows}-{row}-{min(column, columns - 1)}"


def split_sites(
    sites: Mapping[str, GeoBox], seed: int, validation_percent: float, test_percent: float, block_km: float
) -> Splits:
    """Divide sites among the splits.

    A site belongs to the block of its middle. Sites that share a block, or more than a fifth of their ground, go
    together; the group's split follows from the seed and the group's first block alone, so adding sites elsewhere
    changes nothing. With two groups or more, training and validation (where asked for) are never empty: the group with
    the smallest hash becomes validation, the one with the largest training. A single group trains. Where sites of
    different splits still share a strip of ground (tiles overlap), the strip is withheld from the one that trains.

    Args:
        sites: Site -> grid.
        seed: Seed of the hash.
        validation_percent: Share of the groups in percent.
        test_percent: Share of the groups in percent.
        block_km: Side of a block in km.
    """
    ordered = [Site(site, sites[site]) for site in sorted(sites)]
    blocks = {site.site: block_of(*site.centre, block_km) for site in ordered}
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


def _groups(sites: list[Site], blocks: Mapping[str, str]) -> list[list[str]]:
    parent = {site.site: site.site for site in sites}

    def root(site: str) -> str:
        while parent[site] != site:
            parent[site] = parent[parent[site]]
            site = parent[site]
        return site

    first: dict[str, str] = {}
    for site in sites:
        parent[root(site.site)] = root(first.setdefault(blocks[site.site], site.site))
    for one, other in _neighbours(sites):
        shared = _shared(one.grid, other.grid)
        smaller = min(_area(one.grid), _area(other.grid))
        if shared is not None and _box_area(shared) > _SAME_SITE * smaller:
            parent[root(one.site)] = root(other.site)
    groups: dict[str, list[str]] = {}
    for site in sites:
        groups.setdefault(root(site.site), []).append(site.site)
    return list(groups.values())


def _neighbours(sites: list[Site]) -> list[tuple[Site, Site]]:
    """Return the pairs of sites whose boxes in degrees touch, found with a spatial index."""
    from shapely import STRtree

    boxes = [_degrees(site.grid) for site in sites]
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
    return [(sites[one], sites[other]) for one, other in sorted(pairs)]


def _degrees(grid: GeoBox) -> box:
    west, south, east, north = transformer(str(grid.crs), "OGC:CRS84").transform_bounds(
        *grid.boundingbox.bbox, densify_pts=5
    )
    return box(west, south, east if east >= west else east + 360, north)


def _shared(one: GeoBox, other: GeoBox) -> Bounds | None:
    """Return the bounds that two grids share, in metres of the first one's CRS."""
    left, bottom, right, top = one.boundingbox.bbox
    theirs = other.boundingbox.bbox
    if other.crs != one.crs:
        theirs = transformer(str(other.crs), str(one.crs)).transform_bounds(*theirs, densify_pts=21)
    shared = max(left, theirs[0]), max(bottom, theirs[1]), min(right, theirs[2]), min(top, theirs[3])
    return shared if shared[0] < shared[2] and shared[1] < shared[3] else None


def _area(grid: GeoBox) -> float:
    return _box_area(grid.boundingbox.bbox)


def _box_area(bounds: Bounds) -> float:
    return (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])


def _shared_with_other_splits(sites: list[Site], split: Mapping[str, str]) -> dict[str, tuple[Bounds, ...]]:
    precedence = {"test": 0, "validation": 1, "train": 2}
    withheld: dict[str, tuple[Bounds, ...]] = {}
    for pair in _neighbours(sites):
        keeps, gives = sorted(pair, key=lambda site: precedence[split[site.site]])
        if split[keeps.site] == split[gives.site]:
            continue
        shared = _shared(gives.grid, keeps.grid)
        if shared is not None:
            withheld[gives.site] = (*withheld.get(gives.site, ()), shared)
    return withheld
