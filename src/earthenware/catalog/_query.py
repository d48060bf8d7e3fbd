"""The query step: from a catalog to the table of scenes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.catalog._file import check_file, is_file
from earthenware.catalog._grid import HeaderOpener, ground_of, read_header, with_grids
from earthenware.catalog._item import SceneItem
from earthenware.catalog._matching import match_scenes
from earthenware.catalog._sampling import deduplicate, limit_scenes, sample_site
from earthenware.catalog._source import Source, open_source
from earthenware.catalog._spec import QuerySpec
from earthenware.catalog._splits import Splits, split_sites
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.scenes import SCENES_FILE, Scene, scenes_table
from earthenware.sensors import collection_in
from earthenware.steps import Attempt, Result, StepReport, run_step

QUERY_VERSION: Final = 3
"""Raised when the same catalog and spec would give another table."""

_MOST_SITES: Final = 30
"""Sites that the summary lists."""


def query(spec: QuerySpec, output: str, open_header: HeaderOpener | None = None) -> StepReport:
    """Search a catalog, sample scenes, match the other sensors to them and divide the sites among the splits.

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
    reading = Reading(own=(output, spec.catalog), catalog=spec.catalog)

    def body(attempt: Attempt) -> Result:
        return _run(spec, attempt, open_header or partial(read_header, reading=reading))

    return run_step("query", QUERY_VERSION, spec=spec, inputs=inputs, output=output, body=body)


def _run(spec: QuerySpec, attempt: Attempt, open_header: HeaderOpener) -> Result:
    source = open_source(spec, attempt.reject, lambda found: attempt.log(f"{found} items found so far"))
    candidates = source.base()
    # A value that the item does not give (NaN) rules nothing out.
    usable = [item for item in candidates if not (item.cloud_cover > spec.max_cloud or item.nodata > spec.max_nodata)]
    placed = with_grids(usable, spec.base, attempt, open_header)
    if spec.sites:
        placed = {key: value for key, value in placed.items() if value[0].site in spec.sites}
    if not placed:
        attempt.check_rejects(len(source.seen), spec.reject_limit)
        raise _empty(spec, source, len(candidates), len(usable))
    kept = deduplicate(item for item, _ in placed.values())
    drawn = {site: sample_site(items, spec.scenes_per_site, spec.seed) for site, items in kept.items()}
    chosen = limit_scenes(drawn, spec.max_scenes, spec.seed)
    # Items of two collections may have one id.
    scenes = match_scenes(spec, source, [placed[item.collection, item.id] for item in chosen], attempt.progress)
    attempt.check_rejects(len(source.seen), spec.reject_limit)
    needed = [one.id for one in spec.matched if one.role != "label"]
    matched = len(scenes)
    if spec.on_missing_sensor == "drop":
        scenes = [scene for scene in scenes if all(scene.items[name] for name in needed)]
    if not scenes:
        raise EarthenwareError(
            "EMPTY_SEARCH",
            f"None of {matched} scenes from {storage.redact(spec.catalog)} has a match of each of {', '.join(needed)}.",
            "Set on_missing_sensor to keep, raise max_days, or use a catalog that has them.",
        )
    splits = _divide(scenes, spec, attempt)
    scenes = [
        replace(scene, split=splits.split[scene.site], withheld=splits.withheld.get(scene.site, ())) for scene in scenes
    ]
    unlabelled = {one.id for one in spec.matched if one.role == "label" and not any(s.items[one.id] for s in scenes)}
    attempt.put_table(SCENES_FILE, scenes_table(scenes, [name for name in spec.sensors if name not in unlabelled]))
    with_sensor = {one.id: sum(bool(scene.items[one.id]) for scene in scenes) for one in spec.matched}
    by_split = Counter(scene.split for scene in scenes)
    counts = {
        "scenes": len(scenes),
        "sites": len(splits.split),
        **{split: by_split[split] for split in ("train", "validation", "test")},
        **{f"with_{name.replace('-', '_')}": count for name, count in with_sensor.items()},
        "items": len(source.seen),
        "items_of_other_collections": source.ignored,
        "base_items": len(candidates),
        "duplicates": len(placed) - sum(map(len, kept.values())),
        "dropped_missing_sensor": matched - len(scenes),
        "rejects": len(attempt.all_rejects()),
    }
    attempt.put("summary.md", _summary(spec, source, scenes, splits, counts, chosen).encode())
    return Result(counts=counts, details={"catalog": source.profile.name, "licences": _licences(source, scenes)})


def _divide(scenes: Sequence[Scene], spec: QuerySpec, attempt: Attempt) -> Splits:
    grids: dict[str, set[GeoBox]] = defaultdict(set)
    for scene in scenes:
        grids[scene.site].add(scene.grid)
    sites = {site: ground_of(of_site) for site, of_site in grids.items()}
    splits = split_sites(sites, spec.seed, spec.validation_percent, spec.test_percent, spec.split_block_km)
    if spec.validation_percent > 0 and "validation" not in splits.split.values():
        attempt.warn(
            "NO_VALIDATION",
            f"All {len(sites)} sites lie in one block of {spec.split_block_km:g} km or overlap, so all scenes train; "
            "lower split_block_km or widen the area to have validation data.",
        )
    if splits.withheld:
        attempt.log(
            f"{len(splits.withheld)} sites share a strip of ground with a site of another split; the strip is withheld"
        )
    return splits


def _licences(source: Source, scenes: Sequence[Scene]) -> dict[str, str]:
    items = (one.item for scene in scenes for chosen in scene.items.values() for one in chosen)
    used = sorted({str(item.get("collection") or "") for item in items})
    known = {name: collection_in(source.profile.name, name) for name in used}
    return {name: found[1].licence for name, found in known.items() if found}


def _summary(
    spec: QuerySpec,
    source: Source,
    scenes: Sequence[Scene],
    splits: Splits,
    counts: Mapping[str, int],
    chosen: Sequence[SceneItem],
) -> str:
    """Return the query's result on one page of Markdown."""
    first, last = (end(scene.datetime for scene in scenes) for end in (min, max))
    clouds = {(item.site, item.datetime): 100 * item.cloud_cover for item in chosen}
    lines = [
        "# Scenes",
        "",
        f"{counts['scenes']} scenes of {counts['sites']} sites, {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
        f"from {storage.redact(spec.catalog)} ({source.profile.title}).",
        "",
        "| count | value |",
        "|---|---:|",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in counts.items()),
        "",
        "| site | block | split | scenes | cloud (%) |",
        "|---|---|---|---:|---|",
    ]
    sites = sorted(splits.split)
    for site in sites[:_MOST_SITES]:
        covers = sorted(clouds[site, scene.datetime] for scene in scenes if scene.site == site)
        row = f"{site} | {splits.blocks[site]} | {splits.split[site]} | {len(covers)}"
        lines.append(f"| {row} | {covers[0]:.0f}..{covers[-1]:.0f} |")
    if len(sites) > _MOST_SITES:
        lines += ["", f"and {len(sites) - _MOST_SITES} more sites."]
    if source.profile.notes:
        lines += ["", *(f"- {note}" for note in source.profile.notes)]
    return "\n".join(lines) + "\n"


def _empty(spec: QuerySpec, source: Source, answered: int, usable: int) -> EarthenwareError:
    where, base = storage.redact(spec.catalog), spec.base
    asked = (
        f"bbox {spec.bbox or 'any'}, datetime {spec.datetime or 'any'}, "
        f"collections {', '.join(source.collections(base.id)) or 'none known'}"
    )
    if not answered:
        message = f"{where} has no {base.title} items for {asked}."
        remedy = "Widen bbox or datetime." if is_file(spec.catalog) else "Widen bbox or datetime or max_cloud."
    elif not usable:
        message = (
            f"All {answered} {base.title} items of {where} for {asked} have a cloud cover above {spec.max_cloud:g} "
            f"or more than {spec.max_nodata:g} without data."
        )
        remedy = "Raise max_cloud or max_nodata (both 0 to 1), or widen datetime."
    else:
        message = (
            f"None of the {usable} {base.title} items of {where} for {asked} can be used for sites "
            f"{', '.join(spec.sites) or 'any'}."
        )
        remedy = "Correct sites, or see rejects.parquet for the reasons."
    return EarthenwareError("EMPTY_SEARCH", message, remedy)
