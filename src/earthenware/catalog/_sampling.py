"""Which acquisitions of a site are taken: no duplicates, seasons spread, clear ones first, whatever the order."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

from earthenware.catalog._item import SceneItem

_SAME_ACQUISITION: Final = timedelta(minutes=30)  # two passes over a place are more than 90 minutes apart
_CLOUD_STEPS: Final = 10  # of the cloud cover 0..1; scenes within a step are equally clear and the seed decides
_SEASONS: Final = 4


def seeded_fraction(seed: int, key: str) -> float:
    """Return a number in [0, 1) that depends on the seed and the key alone."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def deduplicate(items: Iterable[SceneItem]) -> dict[str, list[SceneItem]]:
    """Keep one item of each acquisition of a site: the newest processing, then the one with the most data.

    Returns:
        Site -> its kept items, both in order.
    """
    kept: dict[str, list[SceneItem]] = {}
    ordered = sorted(items, key=lambda item: (item.site, item.datetime, item.id, item.collection))
    for site, of_site in groupby(ordered, key=lambda item: item.site):
        acquisitions: list[list[SceneItem]] = []
        for item in of_site:
            if not acquisitions or item.datetime - acquisitions[-1][0].datetime > _SAME_ACQUISITION:
                acquisitions.append([])
            acquisitions[-1].append(item)
        kept[site] = [max(one, key=_preference) for one in acquisitions]
    return kept


def _preference(item: SceneItem) -> tuple[float, str, float, str, str, str]:
    # Granules of one processing are made on one day, a reprocessing on a later one.
    nodata = 1.0 if math.isnan(item.nodata) else item.nodata
    return item.revision, f"{item.generated:%Y-%m-%d}", -nodata, item.generated.isoformat(), item.id, item.collection


def sample_site(items: Sequence[SceneItem], count: int, seed: int) -> list[SceneItem]:
    """Draw acquisitions of one site without replacement.

    Each draw takes from the seasons drawn from least often the clearest scene; among equally clear ones (within 10 %
    cloud) the seed decides. The result, in the order of drawing, does not depend on the order of the items. A count of
    0 draws all.
    """

    def order(item: SceneItem) -> tuple[float, float, str, str]:
        return _clearness(item), seeded_fraction(seed, f"{item.site}/{item.id}"), item.id, item.collection

    left = sorted(items, key=order)
    drawn: list[SceneItem] = []
    seasons: dict[int, int] = defaultdict(int)
    while left and (count == 0 or len(drawn) < count):
        item = min(left, key=lambda one: seasons[_season(one)])  # the first of equals: left is in order of clearness
        left.remove(item)
        drawn.append(item)
        seasons[_season(item)] += 1
    return drawn


def _clearness(item: SceneItem) -> float:
    # Catalogs give percentages: 30 % of them must not become 0.299... and so a step of its own.
    return math.inf if math.isnan(item.cloud_cover) else math.floor(item.cloud_cover * _CLOUD_STEPS + 1e-9)


def _season(item: SceneItem) -> int:
    return int((item.datetime.timetuple().tm_yday - 1) / 366 * _SEASONS)


def limit_scenes(drawn: Mapping[str, Sequence[SceneItem]], most: int, seed: int) -> list[SceneItem]:
    """Return all drawn scenes (0), or at most so many, taken from the sites in turn; ordered by site and time."""
    turns = [
        (turn, seeded_fraction(seed, f"site/{site}"), site, item)
        for site, items in drawn.items()
        for turn, item in enumerate(items)
    ]
    turns.sort(key=lambda entry: entry[:3])
    chosen = [entry[3] for entry in (turns[:most] if most else turns)]
    return sorted(chosen, key=lambda item: (item.site, item.datetime, item.id, item.collection))
