"""Training, validation and test sites: blocks of ground, hashed, never straddling."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from odc.geo.geobox import GeoBox
from shapely import STRtree
from shapely.geometry import box

from earthenware.catalog._grid import centre, overlap, shared_bounds, transformer
from earthenware.catalog._sampling import seeded_fraction
from earthenware.scenes import Bounds

_KM_PER_DEGREE: Final = 111.32
_SAME_SITE: Final = 0.2  # share of the smaller site's ground; tiles of one zone overlap by less than that
_PRECEDENCE: Final = ("test", "validation", "train")  # who keeps ground that sites of two splits share


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
    sites = {site: sites[site] for site in sorted(sites)}
    neighbours = _neighbours(sites)
    blocks = {site: block_of(*centre(grid), block_km) for site, grid in sites.items()}
    groups = _groups(sites, blocks, neighbours)
    hashes = {name: seeded_fraction(seed, f"block/{name}") for name in groups.values()}
    of_group = {name: _split_of(number, validation_percent, test_percent) for name, number in hashes.items()}
    by_hash = sorted(hashes, key=lambda name: (hashes[name], name))
    if len(by_hash) >= 2:
        if validation_percent > 0 and "validation" not in of_group.values():
            of_group[by_hash[0]] = "validation"
        if "train" not in of_group.values():
            of_group[by_hash[-1]] = "train"
    else:
        of_group = dict.fromkeys(of_group, "train")
    split = {site: of_group[group] for site, group in groups.items()}
    withheld: dict[str, tuple[Bounds, ...]] = {}
    for pair in neighbours:
        keeps, gives = sorted(pair, key=lambda site: _PRECEDENCE.index(split[site]))
        if split[keeps] != split[gives] and (shared := shared_bounds(sites[gives], sites[keeps])):
            withheld[gives] = (*withheld.get(gives, ()), shared)
    return Splits(split, blocks, groups, withheld)


def _split_of(number: float, validation_percent: float, test_percent: float) -> str:
    if number < validation_percent / 100:
        return "validation"
    return "test" if number < (validation_percent + test_percent) / 100 else "train"


def _groups(
    sites: Mapping[str, GeoBox], blocks: Mapping[str, str], neighbours: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """Return the first block of each site's group: all that share a block or much ground, directly or by others."""
    together: dict[str, set[str]] = defaultdict(set)  # block -> all blocks of its group
    for block in blocks.values():
        together[block].add(block)
    for one, other in neighbours:
        if overlap(sites[one], sites[other]) > _SAME_SITE:
            joined = together[blocks[one]] | together[blocks[other]]
            together.update(dict.fromkeys(joined, joined))
    return {site: min(together[block]) for site, block in blocks.items()}


def _neighbours(sites: Mapping[str, GeoBox]) -> list[tuple[str, str]]:
    """Return the pairs of sites whose boxes in degrees touch, found with a spatial index."""
    boxes = [_degrees(grid) for grid in sites.values()]
    # The index does not wrap at the antimeridian: look there with boxes moved by a full circle as well.
    moved = [box(west + 360, south, east + 360, north) for west, south, east, north in (one.bounds for one in boxes)]
    tree = STRtree(boxes + moved)
    touching = ((index, int(hit) % len(boxes)) for index, one in enumerate(boxes) for hit in tree.query(one))
    pairs = {(min(pair), max(pair)) for pair in touching}
    names = list(sites)
    return [(names[one], names[other]) for one, other in sorted(pairs) if one != other]


def _degrees(grid: GeoBox) -> box:
    west, south, east, north = transformer(str(grid.crs), "OGC:CRS84").transform_bounds(
        *grid.boundingbox.bbox, densify_pts=5
    )
    return box(west, south, east if east >= west else east + 360, north)
