"""The query step: from a catalog to the table of scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from earthenware import storage
from earthenware.catalog._file import check_file, is_file
from earthenware.catalog._grid import Grid, HeaderOpener, grid_boxes, item_grid, read_header, target_area, to_degrees
from earthenware.catalog._item import BadItemError, SceneItem
from earthenware.catalog._matching import boxes_of, covering_items, match_land_cover, match_radar
from earthenware.catalog._sampling import deduplicate, limit_scenes, sample_site
from earthenware.catalog._source import Source, open_source
from earthenware.catalog._spec import QuerySpec, parse_bbox, parse_interval
from earthenware.catalog._splits import Splits, split_places
from earthenware.catalog._summary import summary
from earthenware.catalog._table import Scene, scenes_table
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.sensors import collection_in
from earthenware.steps import Attempt, Result, StepReport, run_step

QUERY_VERSION: Final = 1
"""Raised when the same catalog and spec would give another table."""

SCENES: Final = "scenes.parquet"
"""Name of the table below the step's output."""

_RADAR: Final = "sentinel-1-rtc"
_ELEVATION: Final = "cop-dem-glo-30"
_LAND_COVER: Final = "land-cover"


def query(spec: QuerySpec, output: str, open_header: HeaderOpener | None = None) -> StepReport:
    """Search a catalog, sample scenes, match the other sensors to them and divide the places among the splits.

    Args:
        spec: What to look for.
        output: Prefix that the step owns; may contain ``{fingerprint}``.
        open_header: Reads the header of a raster whose item does not describe its grid; for other stores.

    Returns:
        The report; its output holds ``scenes.parquet`` and ``summary.md``.

    Raises:
        EarthenwareError: ``BAD_SPEC``, ``CATALOG_UNREACHABLE``, ``CATALOG_ERROR``, ``NOT_A_STAC_API``,
            ``NOT_AN_ITEM_COLLECTION``, ``EMPTY_SEARCH``, ``TOO_MANY_ITEMS``, ``TOO_MANY_REJECTS``.
    """
    inputs: dict[str, str] = {}
    if is_file(spec.catalog):
        check_file(spec.catalog)
        inputs["catalog"] = spec.catalog
    elif missing := [name for name in ("bbox", "datetime") if not getattr(spec, name)]:
        raise EarthenwareError(
            "BAD_SPEC",
            f"{' and '.join(missing)} must be given to search the API {spec.catalog}.",
            "Give an area and an interval, such as --bbox 5.9,49.4,6.6,50.2 --datetime 2021-06/2021-08.",
        )

    reading = Reading(own=(output, spec.catalog), catalog=spec.catalog)

    def body(attempt: Attempt) -> Result:
        return _run(spec, attempt, open_header or partial(read_header, reading=reading))

    return run_step("query", QUERY_VERSION, spec=spec, inputs=inputs, output=output, body=body)


def _run(spec: QuerySpec, attempt: Attempt, open_header: HeaderOpener) -> Result:
    source = open_source(spec.catalog, attempt.reject, lambda found: attempt.log(f"{found} items found so far"))
    candidates = source.optical(
        spec.optical_collection,
        parse_bbox(spec.bbox),
        parse_interval(spec.datetime),
        spec.max_cloud_cover,
        spec.max_items,
    )
    answered = len(candidates)
    usable = [item for item in candidates if _wanted(item, spec)]
    placed = _with_grids(usable, attempt, open_header)
    if spec.sites:
        placed = {key: value for key, value in placed.items() if value[0].site in spec.sites}
    if not placed:
        attempt.check_rejects(len(source.seen), spec.reject_limit)
        raise _empty(spec, source, answered, len(usable))
    kept, duplicates = deduplicate(item for item, _ in placed.values())
    by_site: dict[str, list[SceneItem]] = {}
    for item in kept:
        by_site.setdefault(item.site, []).append(item)
    drawn = {site: sample_site(items, spec.scenes_per_site, spec.seed) for site, items in by_site.items()}
    chosen = limit_scenes(drawn, spec.max_scenes, spec.seed)
    grids = {item.id: placed[item.collection, item.id][1] for item in chosen}
    scenes = _match(spec, source, chosen, grids, attempt)
    attempt.check_rejects(len(source.seen), spec.reject_limit)
    complete = [scene for scene in scenes if scene.matches[_RADAR] and scene.matches[_ELEVATION]]
    dropped = len(scenes) - len(complete) if spec.on_missing_sensor == "drop" else 0
    scenes = complete if spec.on_missing_sensor == "drop" else scenes
    if not scenes:
        raise EarthenwareError(
            "EMPTY_SEARCH",
            f"None of {dropped} scenes from {storage.redact(spec.catalog)} has both radar and elevation.",
            "Set on_missing_sensor to keep, raise sentinel1_max_days, or use a catalog that has them.",
        )
    splits = _divide(scenes, spec, attempt)
    with_land_cover = any(scene.matches[_LAND_COVER] for scene in scenes)
    sensors = (_RADAR, _ELEVATION, *((_LAND_COVER,) if with_land_cover else ()))
    table = scenes_table(scenes, splits, source.profile.name, sensors)
    attempt.put_table(SCENES, table)
    counts = _counts(source, answered, duplicates, dropped, scenes, splits, attempt)
    attempt.put("summary.md", summary(spec, source.profile, scenes, splits, counts).encode())
    return Result(counts=counts, details={"catalog": source.profile.name, "licences": _licences(source, scenes)})


def _wanted(item: SceneItem, spec: QuerySpec) -> bool:
    # A value that the item does not give (NaN) rules nothing out.
    return not (item.cloud_cover > spec.max_cloud_cover or item.nodata > spec.max_nodata)


def _with_grids(
    items: Sequence[SceneItem], attempt: Attempt, open_header: HeaderOpener
) -> dict[tuple[str, str], tuple[SceneItem, Grid]]:
    """Find the grid of each item, and a site for those whose tile is not named."""
    found: dict[tuple[str, str], tuple[SceneItem, Grid]] = {}
    for done, item in enumerate(items, 1):
        try:
            grid = item_grid(item.item, open_header)
        except BadItemError as error:
            attempt.reject(item.id, error.reason, str(error))
            continue
        found[item.collection, item.id] = item, grid
        if done % 100 == 0:
            attempt.progress(done, len(items), "items")
    grids: dict[str, set[Grid]] = {}
    for item, grid in found.values():
        grids.setdefault(item.site, set()).add(grid)
    names = {(site, grid): name for site in grids for grid, name in _sites_of(site, grids[site]).items()}
    return {key: (replace(item, site=names[item.site, grid]), grid) for key, (item, grid) in found.items()}


def _sites_of(name: str, grids: set[Grid]) -> dict[Grid, str]:
    """Name the site of each grid: the tile's name, or where it holds several areas or has no name, the area's cell."""
    clusters: list[list[Grid]] = []
    for grid in sorted(grids, key=lambda one: (one.crs, one.bounds)):
        cluster = next((one for one in clusters if one[0].overlap(grid) > 0.5), None)
        if cluster is None:
            clusters.append([grid])
        else:
            cluster.append(grid)
    if name and len(clusters) == 1:
        return dict.fromkeys(grids, name)
    prefix = f"{name}-" if name else "cell-"
    return {grid: f"{prefix}{_cell(cluster[0])}" for cluster in clusters for grid in cluster}


def _cell(grid: Grid) -> str:
    """Name an area of interest by its middle, to a hundredth of a degree."""
    left, bottom, right, top = grid.bounds
    longitude, latitude = to_degrees((left + right) / 2, (bottom + top) / 2, grid.crs)
    east_west, north_south = "E" if longitude >= 0 else "W", "N" if latitude >= 0 else "S"
    return f"{abs(latitude):05.2f}{north_south}-{abs(longitude):06.2f}{east_west}"


def _match(
    spec: QuerySpec, source: Source, chosen: Sequence[SceneItem], grids: Mapping[str, Grid], attempt: Attempt
) -> list[Scene]:
    land_cover = _land_cover_collections(spec, source)
    window = timedelta(days=spec.sentinel1_max_days)

    def static(grid: Grid) -> tuple[list[SceneItem], list[list[SceneItem]]]:
        """Return the elevation items of a grid, and the items of each land-cover map until one has some."""
        boxes = grid_boxes(grid)
        names = source.collections(_ELEVATION)
        heights = source.find(_ELEVATION, names, boxes, (None, None)) if names else []
        maps: list[list[SceneItem]] = []
        for name in land_cover:
            maps.append(source.find(_LAND_COVER, (name,), boxes, (None, None)))
            if maps[-1]:
                break
        return sorted(heights, key=lambda one: one.id), maps

    def match(item: SceneItem) -> Scene:
        grid = grids[item.id]
        ground = target_area(item.geometry, grid), grid.crs
        heights, maps = statics[grid]
        radar: list[SceneItem] = []
        if names := source.collections(_RADAR):
            near = item.datetime - window, item.datetime + window
            found = source.find(_RADAR, names, boxes_of(item.geometry), near)
            radar = match_radar(found, item.datetime, spec.sentinel1_max_days, ground)
        matches = {
            _RADAR: radar,
            _ELEVATION: covering_items(heights, ground)[0],
            _LAND_COVER: match_land_cover(maps[-1], item.datetime, ground) if maps else [],
        }
        return Scene(item, grid, matches)

    # Threads, as they only wait for the catalog; the order of the scenes stays that of `chosen`.
    with ThreadPoolExecutor(max_workers=spec.requests) as pool:
        distinct = sorted(set(grids.values()), key=lambda one: (one.crs, one.bounds))
        statics = dict(zip(distinct, pool.map(static, distinct), strict=True))
        scenes = []
        for done, scene in enumerate(pool.map(match, chosen), 1):
            scenes.append(scene)
            attempt.progress(done, len(chosen), "scenes")
    return scenes


def _land_cover_collections(spec: QuerySpec, source: Source) -> tuple[str, ...]:
    if spec.land_cover == "none":
        return ()
    known = source.collections(_LAND_COVER)
    return known if spec.land_cover == "auto" else (spec.land_cover,)


def _divide(scenes: Sequence[Scene], spec: QuerySpec, attempt: Attempt) -> Splits:
    places: dict[str, Grid] = {}
    for scene in sorted(scenes, key=lambda one: one.id):
        places.setdefault(scene.optical.site, scene.grid)
    splits = split_places(places, spec.seed, spec.validation_percent, spec.test_percent, spec.split_block_km)
    if spec.validation_percent > 0 and "validation" not in splits.split.values():
        attempt.warn(
            "NO_VALIDATION",
            f"All {len(places)} sites lie in one block of {spec.split_block_km:g} km or overlap, so all scenes train; "
            "lower split_block_km or widen the area to have validation data.",
        )
    if splits.withheld:
        attempt.log(
            f"{len(splits.withheld)} sites share a strip of ground with a site of another split; the strip is withheld"
        )
    return splits


def _counts(
    source: Source,
    answered: int,
    duplicates: int,
    dropped: int,
    scenes: Sequence[Scene],
    splits: Splits,
    attempt: Attempt,
) -> dict[str, int]:
    by_split = Counter(splits.split[scene.optical.site] for scene in scenes)
    return {
        "scenes": len(scenes),
        "sites": len({scene.optical.site for scene in scenes}),
        "train": by_split["train"],
        "validation": by_split["validation"],
        "test": by_split["test"],
        "with_radar": sum(bool(scene.matches[_RADAR]) for scene in scenes),
        "with_elevation": sum(bool(scene.matches[_ELEVATION]) for scene in scenes),
        "with_land_cover": sum(bool(scene.matches[_LAND_COVER]) for scene in scenes),
        "items": len(source.seen),
        "items_of_other_collections": source.ignored,
        "optical_items": answered,
        "duplicates": duplicates,
        "dropped_missing_sensor": dropped,
        "rejects": len(attempt.all_rejects()),
    }


def _licences(source: Source, scenes: Sequence[Scene]) -> dict[str, str]:
    used = {item.collection for scene in scenes for items in scene.matches.values() for item in items}
    used |= {scene.optical.collection for scene in scenes}
    known = {name: collection_in(source.profile.name, name) for name in sorted(used)}
    return {name: found[1].licence for name, found in known.items() if found}


def _empty(spec: QuerySpec, source: Source, answered: int, usable: int) -> EarthenwareError:
    where = storage.redact(spec.catalog)
    asked = (
        f"bbox {spec.bbox or 'any'}, datetime {spec.datetime or 'any'}, "
        f"collections {', '.join(source.collections('sentinel-2-l2a')) or 'none known'}"
    )
    if not answered:
        known = "Widen bbox or datetime" + (" or max_cloud_cover" if not is_file(spec.catalog) else "")
        return EarthenwareError("EMPTY_SEARCH", f"{where} has no Sentinel-2 items for {asked}.", f"{known}.")
    if not usable:
        return EarthenwareError(
            "EMPTY_SEARCH",
            f"All {answered} Sentinel-2 items of {where} for {asked} have more than {spec.max_cloud_cover:g} % cloud "
            f"or {spec.max_nodata:g} % nodata.",
            "Raise max_cloud_cover or max_nodata, or widen datetime.",
        )
    return EarthenwareError(
        "EMPTY_SEARCH",
        f"None of the {usable} Sentinel-2 items of {where} for {asked} can be used for sites "
        f"{', '.join(spec.sites) or 'any'}.",
        "Correct sites, or see rejects.parquet for the reasons.",
    )
