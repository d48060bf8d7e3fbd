"""The step that builds chips from scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from earthenware import storage
from earthenware.chips import STORE_FILE, PartEntry, SensorLayout, StoreDocument, store_document
from earthenware.datacube._cut import STRIP_PIXELS, Tally
from earthenware.datacube._part import BuiltPart, PartTask, build_part, group_scenes
from earthenware.datacube._spec import BuildSpec
from earthenware.errors import EarthenwareError
from earthenware.processes import process_pool
from earthenware.scenes import SceneRow, SceneTable, open_scenes
from earthenware.sensors import sensor
from earthenware.steps import Attempt, Result, StepReport, run_step

ALGORITHM_VERSION: Final = 1
"""Raised when the same scenes and spec give other chips."""

_POOL_ATTEMPTS = 3
"""Times a pool is started before a part that kills its workers is given up."""


def build(spec: BuildSpec, scenes: str, output: str) -> StepReport:
    """Build the chips of a table of scenes: co-registered sensors on one grid, cut, checked and stored.

    Args:
        spec: How to build.
        scenes: URI of a query's output, or of a Parquet file of scenes.
        output: The prefix to own; it becomes a chip store, also when it is one shard of several.

    Returns:
        The report. Its manifest's digest depends on the chips alone, not on workers, kills or parts.

    Raises:
        EarthenwareError: ``NO_SCENES``, ``TOO_MANY_REJECTS``, ``NO_CHIPS``, ``STORAGE_FULL``, ``WORKER_DIED``, or what
            the step contract raises.
    """
    return run_step(
        "build",
        ALGORITHM_VERSION,
        spec=spec,
        inputs={"scenes": scenes},
        output=output,
        body=lambda attempt: _body(attempt, spec, scenes),
    )


def _body(attempt: Attempt, spec: BuildSpec, scenes: str) -> Result:
    table = open_scenes(scenes)
    sensors, gsd = chosen_sensors(spec.sensors, table), sensor(table.base).gsd_m
    index, count = spec.shard_of
    rows = table.shard(index, count)
    groups = group_scenes(rows, chip_size=spec.chip_size, part_chips=spec.part_chips, alone_above=STRIP_PIXELS)
    query = attempt.input("scenes")
    catalog = "" if query is None else str(query.spec.get("catalog", ""))
    own = (attempt.output, scenes, catalog)
    done = attempt.committed()
    if any(key in done for key in groups):
        attempt.log(f"{sum(key in done for key in groups)} of {len(groups)} parts were built before")
    tasks = [
        PartTask(
            key=key,
            path=attempt.part_path(key),
            uri=attempt.uri(attempt.part_path(key)),
            scenes=group,
            sensors=sensors,
            gsd=gsd,
            spec=spec,
            scratch=str(attempt.scratch),
            own=own,
            catalog=catalog,
        )
        for key, group in groups.items()
        if key not in done
    ]
    finished = len(rows) - sum(len(task.scenes) for task in tasks)
    attempt.progress(finished, len(rows), "scenes")
    remaining = list(tasks)
    for _ in range(_POOL_ATTEMPTS):
        remaining = _run_pool(attempt, spec, remaining, finished, len(rows), len(table))
        if not remaining:
            break
        finished = len(rows) - sum(len(task.scenes) for task in remaining)
        attempt.warn("WORKER_DIED", f"a worker process died; {len(remaining)} parts are tried again")
    if remaining:
        raise EarthenwareError(
            "WORKER_DIED",
            f"Worker processes died {_POOL_ATTEMPTS} times while building, last at part '{remaining[0].key}' "
            f"(scene '{remaining[0].scenes[0]['id']}').",
            "Memory may have run out: give fewer workers, or smaller scenes; the step resumes where it was.",
        )
    attempt.check_rejects(len(table), spec.reject_limit)
    payloads = {key: attempt.committed()[key] for key in groups}
    _remove_leftovers(attempt, payloads)
    return _publish(attempt, spec, sensors, gsd, payloads, rows, alone=count == 1)


def chosen_sensors(asked: Sequence[str], table: SceneTable) -> tuple[str, ...]:
    """Return the sensors to store: those asked for, or all that the scenes have.

    Raises:
        EarthenwareError: ``NO_SUCH_COLUMN`` when the scenes lack one, or when their base is left out.
    """
    lacking = [name for name in asked if name not in table.sensors]
    if lacking:
        raise EarthenwareError(
            "NO_SUCH_COLUMN",
            f"sensors: the scenes have no column '{lacking[0]}'.",
            f"Query with that sensor, or leave it out of 'sensors'; the scenes have {', '.join(table.sensors)}.",
        )
    return tuple(asked) or table.sensors


def _run_pool(
    attempt: Attempt, spec: BuildSpec, tasks: Sequence[PartTask], finished: int, total: int, everything: int
) -> list[PartTask]:
    """Build parts and commit each when it is done; return those that a dying worker took along."""
    if not tasks:
        return []
    lost: list[PartTask] = []
    running: dict[Future[BuiltPart], PartTask] = {}
    with process_pool(min(spec.workers, len(tasks))) as pool:
        try:
            for task in tasks:
                try:
                    running[pool.submit(build_part, task)] = task
                except BrokenProcessPool:
                    lost.append(task)
            while running:
                ready, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    task = running.pop(future)
                    try:
                        built = future.result()
                    except BrokenProcessPool:
                        lost.append(task)
                        continue
                    attempt.commit(built.key, built.payload, built.rejects)
                    finished += len(task.scenes)
                    attempt.progress(finished, total, "scenes")
                    # Fail as soon as it is certain; a shard alone must exceed what all scenes together may lose.
                    attempt.check_rejects(everything, spec.reject_limit)
        except Exception:
            # Parts under way are finished, not left half done: after an error such as a full disk they clean up.
            # An interrupted pool kills its workers instead: whoever did that does not want to wait.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return lost


def _remove_leftovers(attempt: Attempt, payloads: Mapping[str, Mapping[str, Any]]) -> None:
    """Remove what killed attempts wrote and never committed."""
    kept = {payload["path"] for payload in payloads.values()}
    parts = attempt.uri("parts")
    if storage.is_local(parts):  # a worker may have died between making folders and writing a file
        folder = storage.local_path(parts)
        paths = [path.relative_to(folder).as_posix() for path in folder.glob("*/*")]
    else:
        paths = list(storage.list_files(parts))
    found = {"/".join(["parts", *path.split("/")[:2]]) for path in paths if "/" in path}
    for path in sorted(found - kept):
        storage.delete_prefix(attempt.uri(path))


def _publish(
    attempt: Attempt,
    spec: BuildSpec,
    sensors: Sequence[str],
    gsd: float,
    payloads: Mapping[str, Mapping[str, Any]],
    rows: Sequence[SceneRow],
    *,
    alone: bool,
) -> Result:
    parts = [PartEntry.model_validate(payload) for payload in payloads.values() if payload["chips"]]
    layouts = {sensor: SensorLayout.of(sensor) for sensor in sensors}
    document = store_document(parts, chip_size=spec.chip_size, gsd=gsd, layouts=layouts)
    tally = Tally.total(payload["tally"] for payload in payloads.values())
    if not document.chips and alone:  # a shard may be empty
        raise no_chips(tally, len(rows))
    attempt.put_json(STORE_FILE, document.to_json())
    warn_of_offsets(attempt, tally)
    return summarise(document, tally, scenes=len(rows), rejected=len(attempt.all_rejects()))


def warn_of_offsets(attempt: Attempt, tally: Tally) -> None:
    """Say for which scenes metadata and pixels disagree about the radiometric offset."""
    for code, scenes, what in (
        ("OFFSET_CONTRADICTED", tally.contradicted, "declare an offset that their pixels rule out; it was not removed"),
        ("OFFSET_SUSPECTED", tally.suspected, "look as if they had an offset that is not declared; it was not removed"),
    ):
        if scenes:
            attempt.warn(code, f"{len(scenes)} scenes {what}, such as {scenes[0]}")


def no_chips(tally: Tally, scenes: int) -> EarthenwareError:
    """Return the error for a build that kept nothing."""
    return EarthenwareError(
        "NO_CHIPS",
        f"Not one chip is left of {scenes} scenes: of {tally.candidates} candidates {tally.dropped_cloud} were too "
        f"cloudy, {tally.dropped_nodata} had too few pixels and {tally.dropped_split} lie on another split's ground.",
        "Raise max_cloud or max_nodata, give a smaller chip_size, or query clearer scenes.",
    )


def summarise(document: StoreDocument, tally: Tally, *, scenes: int, rejected: int) -> Result:
    """Return what the manifest says about a store."""
    return Result(
        counts={
            "chips": document.chips,
            "scenes": scenes,
            "scenes_rejected": rejected,
            "parts": len(document.parts),
            "chips_dropped_cloud": tally.dropped_cloud,
            "chips_dropped_nodata": tally.dropped_nodata,
            "chips_dropped_split": tally.dropped_split,
            "scenes_offset_contradicted": len(tally.contradicted),
            "scenes_offset_suspected": len(tally.suspected),
            **{f"chips_{split}": count for split, count in sorted(tally.splits.items())},
        },
        details={
            "content_digest": document.content_digest,
            "sensors": list(document.sensors),
            "chip_size": document.chip_size,
            "gsd": document.gsd,
            "candidates": tally.candidates,
            "splits": tally.splits,
            "offset_contradicted": tally.contradicted,
            "offset_suspected": tally.suspected,
        },
        content=document.content_digest,
    )
