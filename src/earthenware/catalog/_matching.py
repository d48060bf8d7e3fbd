"""Which items of the other sensors go with a base scene: near in time, covering its ground."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from earthenware.catalog._grid import grid_boxes, in_order, target_area, to_grid_crs
from earthenware.catalog._item import SceneItem
from earthenware.catalog._source import Source
from earthenware.catalog._spec import Box, QuerySpec
from earthenware.scenes import Scene

_ONE_PASS: Final = timedelta(minutes=15)  # slices of one pass follow each other within minutes
_COVERED: Final = 0.9  # share of the ground that counts as covered: no further pass is added
_LEAST: Final = 0.05  # share of the ground below which a pass is no match
_GAIN: Final = 0.005  # share of the ground that a further item must add

Ground = tuple[BaseGeometry, str]
"""Area to cover and the CRS it is in, in metres."""


def covering_items(items: Iterable[SceneItem], ground: Ground) -> tuple[list[SceneItem], float]:
    """Take items in their order as long as each adds ground; return them and the share (0..1) that they cover."""
    area, crs = ground
    left = area
    taken: list[SceneItem] = []
    for item in items:
        rest = left.difference(to_grid_crs(item.geometry, crs))
        if left.area - rest.area >= _GAIN * area.area:
            taken.append(item)
            left = rest
        if left.area < _GAIN * area.area:
            break
    return taken, 1 - left.area / area.area


def match_pass(items: Sequence[SceneItem], moment: datetime, max_days: float, ground: Ground) -> list[SceneItem]:
    """Return the items of the nearest pass that covers a scene, else those of the best one, filled up by others.

    The first choice is the nearest pass that covers 90 % of the ground. Where none does, the pass with the largest
    cover (nearest of equals) is filled up by passes of the same relative orbit, then of the same orbit direction;
    the two directions look from opposite sides and are never mixed. The main pass comes first; there is none where no
    pass within ``max_days`` of the base scene's moment covers 5 % of its ground.
    """
    window = timedelta(days=max_days)
    near = [item for item in items if abs(item.datetime - moment) <= window]
    passes = [(one, *covering_items(one, ground)) for one in _passes(near)]
    passes = [one for one in passes if one[2] >= _LEAST]
    if not passes:
        return []

    def distance(group: Sequence[SceneItem]) -> timedelta:
        return min(abs(item.datetime - moment) for item in group)

    full = [one for one in passes if one[2] >= _COVERED]
    if full:
        return min(full, key=lambda one: (distance(one[0]), one[0][0].id))[1]
    group, taken, _ = min(passes, key=lambda one: (-round(one[2], 2), distance(one[0]), one[0][0].id))
    orbit, direction = _orbit(group[0])
    others = [one[0] for one in passes if one[0] is not group and _orbit(one[0][0])[1] == direction]
    others.sort(key=lambda one: (_orbit(one[0])[0] != orbit, distance(one), one[0].id))
    return covering_items([*taken, *(item for one in others for item in one)], ground)[0]


def _orbit(item: SceneItem) -> tuple[object, object]:
    properties = item.item["properties"]
    return properties.get("sat:relative_orbit"), properties.get("sat:orbit_state")


def _passes(items: Sequence[SceneItem]) -> list[list[SceneItem]]:
    """Group the slices of each pass: same satellite and orbit, minutes apart."""
    tracks: dict[tuple[str, ...], list[SceneItem]] = defaultdict(list)
    for item in sorted(items, key=lambda one: (one.datetime, one.id)):
        platform = str(item.item["properties"].get("platform", "")).lower()
        tracks[(platform, *map(str, _orbit(item)))].append(item)
    groups: list[list[SceneItem]] = []
    for track in tracks.values():
        groups.append([track[0]])
        for item in track[1:]:
            if item.datetime - groups[-1][-1].datetime > _ONE_PASS:
                groups.append([])
            groups[-1].append(item)
    return groups


def match_static(items: Sequence[SceneItem], moment: datetime, ground: Ground) -> list[SceneItem]:
    """Return the items of a sensor that has no window: those of the nearest year, gaps filled from others."""

    def years_off(item: SceneItem) -> tuple[int, float, str]:
        return abs(item.datetime - moment).days // 183, -item.datetime.timestamp(), item.id

    return covering_items(sorted(items, key=years_off), ground)[0]


def boxes_of(geometry: BaseGeometry) -> tuple[Box, ...]:
    """Return the boxes in degrees around a footprint: two where it lies on both sides of the antimeridian."""
    west, south, east, north = np.clip(geometry.bounds, [-180, -90] * 2, [180, 90] * 2).tolist()
    parts = shapely.get_coordinates(geometry)
    eastern, western = parts[parts[:, 0] >= 0], parts[parts[:, 0] < 0]
    if east - west < 180 or not (len(eastern) and len(western)):
        return ((west, south, east, north),)
    return (
        (float(eastern[:, 0].min()), south, 180.0, north),
        (-180.0, south, float(western[:, 0].max()), north),
    )


def match_scenes(
    spec: QuerySpec,
    source: Source,
    chosen: Sequence[tuple[SceneItem, GeoBox]],
    on_progress: Callable[[int, int, str], None],
) -> list[Scene]:
    """Match the other sensors to the chosen base items and their grids: one scene for each, in their order.

    They have no split yet. ``on_progress`` is called with the scenes done, all of them, and "scenes".
    """
    windows = {one.id: spec.window_of(one) for one in spec.matched}

    def static(grid: GeoBox) -> dict[str, list[SceneItem]]:
        """Return, per sensor without a window, the items of the first collection that has some around a grid."""
        boxes = grid_boxes(grid)
        found: dict[str, list[SceneItem]] = {}
        for name, window in windows.items():
            for collection in source.collections(name) if window is None else ():
                found[name] = source.find(name, (collection,), boxes, (None, None))
                if found[name]:
                    break
        return found

    def match(one: tuple[SceneItem, GeoBox]) -> Scene:
        item, grid = one
        ground = target_area(item.geometry, grid), str(grid.crs)
        found = {spec.base.id: [item]}
        for name, window in windows.items():
            if window is None:
                found[name] = match_static(statics[grid].get(name, ()), item.datetime, ground)
                continue
            near = item.datetime - timedelta(days=window), item.datetime + timedelta(days=window)
            passing = source.find(name, source.collections(name), boxes_of(item.geometry), near)
            found[name] = match_pass(passing, item.datetime, window, ground)
        return Scene(
            id=f"{item.site}_{item.datetime:%Y%m%dT%H%M%S}",
            site=item.site,
            datetime=item.datetime,
            geometry=item.geometry,
            grid=grid,
            items={name: tuple(found[name]) for name in spec.sensors},
            catalog=source.profile.name,
        )

    # Threads, as they only wait for the catalog; the order of the scenes stays that of `chosen`.
    with ThreadPoolExecutor(max_workers=spec.requests) as pool:
        distinct = in_order({grid for _, grid in chosen})
        statics = dict(zip(distinct, pool.map(static, distinct), strict=True))
        scenes = []
        for done, scene in enumerate(pool.map(match, chosen), 1):
            scenes.append(scene)
            on_progress(done, len(chosen), "scenes")
    return scenes
