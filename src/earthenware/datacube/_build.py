"""The steps that build chips from scenes, and make one store of several shards of a build."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from earthenware import storage
from earthenware.chips import PartEntry, SensorLayout, merge_documents, store_document
from earthenware.datacube._part import BuiltPart, PartTask, build_part
from earthenware.datacube._plan import plan_parts
from earthenware.datacube._spec import BuildSpec, MergeSpec
from earthenware.datacube._tally import Tally, publish
from earthenware.errors import EarthenwareError
from earthenware.processes import process_pool
from earthenware.rasters import Reading
from earthenware.scenes import SceneTable, open_scenes
from earthenware.sensors import sensor
from earthenware.steps import Attempt, Result, StepReport, read_artifact, read_manifest, run_step

BUILD_VERSION: Final = 3
"""Raised when the same scenes and spec give another store."""

MERGE_VERSION: Final = 2

_POOL_ATTEMPTS: Final = 3
"""Times a pool is started before a part that kills its workers is given up."""

_AHEAD: Final = 2
"""Parts handed to the pool for each worker, so that none has to wait for its next."""


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

    def body(attempt: Attempt) -> Result:
        return _build(attempt, spec, scenes)

    return run_step("build", BUILD_VERSION, spec=spec, inputs={"scenes": scenes}, output=output, body=body)


def merge(stores: Sequence[str], output: str) -> StepReport:
    """Make one chip store of the shards of a build: their parts stay where they are, no pixel is copied.

    Args:
        stores: Outputs of ``build``, in any order.
        output: The prefix to own.

    Returns:
        The report. Its manifest holds the rejects of all shards; the share of rejected scenes is checked over all.

    Raises:
        EarthenwareError: ``NO_STORES``, ``STORES_DIFFER``, ``TOO_MANY_REJECTS``, ``NO_CHIPS``, or what the step
            contract raises.
    """
    if not stores:
        raise EarthenwareError("NO_STORES", "No chip store was given to merge.", "Name at least one.")
    # The order in which an orchestrator hands over its shards must not make another fingerprint.
    shards = sorted(storage.normalise(uri) for uri in stores)

    def body(attempt: Attempt) -> Result:
        manifests = [read_manifest(uri) for uri in shards]
        document = merge_documents(shards, attempt.output)
        scenes = sum(manifest.counts["scenes"] for manifest in manifests)
        for uri in shards:
            for row in storage.parse_table(read_artifact(uri, "rejects.parquet"), uri).to_pylist():
                attempt.reject(row["record"], row["reason"], row["message"])
        attempt.check_rejects(scenes, min(float(manifest.spec["reject_limit"]) for manifest in manifests))
        return publish(attempt, document, Tally.total(map(Tally.of, manifests)), scenes=scenes)

    return run_step("merge", MERGE_VERSION, spec=MergeSpec(), inputs={"shards": shards}, output=output, body=body)


def _build(attempt: Attempt, spec: BuildSpec, scenes: str) -> Result:
    table = open_scenes(scenes)
    sensors, gsd = _chosen_sensors(spec.sensors, table), sensor(table.base).gsd_m
    index, count = spec.shard_of
    rows = table.shard(index, count)
    plan = plan_parts(rows, spec)
    query = attempt.input("scenes")
    catalog = "" if query is None else str(query.spec.get("catalog", ""))
    own = (attempt.output, scenes, catalog)
    reading = Reading(retries=spec.retries, timeout=spec.timeout, own=own, catalog=catalog)
    done = attempt.committed()
    if before := sum(key in done for key in plan):
        attempt.log(f"{before} of {len(plan)} parts were built before")
    scratch = str(attempt.scratch)
    paths = {key: attempt.part_path(key) for key in plan if key not in done}
    remaining = [
        PartTask(plan[key], path, attempt.uri(path), sensors, gsd, spec, reading, scratch)
        for key, path in paths.items()
    ]
    total = sum(part.chips for part in plan.values())
    for _ in range(_POOL_ATTEMPTS):
        remaining = _run_pool(attempt, spec, remaining, total, len(table))
        if not remaining:
            break
        attempt.warn("WORKER_DIED", f"a worker process died; {len(remaining)} parts are tried again")
    if remaining:
        raise EarthenwareError(
            "WORKER_DIED",
            f"Worker processes died {_POOL_ATTEMPTS} times while building, last at part '{remaining[0].part.key}' "
            f"(scene '{remaining[0].part.scenes[0]['id']}').",
            "Memory may have run out: give fewer workers, or smaller scenes; the step resumes where it was.",
        )
    attempt.check_rejects(len(table), spec.reject_limit)
    rejected = _rejected(attempt)
    payloads = [attempt.committed()[key] for key, part in plan.items() if not part.is_spoilt(rejected)]
    _remove_leftovers(attempt, {payload["path"] for payload in payloads})
    parts = [PartEntry.model_validate(payload) for payload in payloads if payload["chips"]]
    layouts = {name: SensorLayout.of(name) for name in sensors}
    document = store_document(parts, chip_size=spec.chip_size, gsd=gsd, layouts=layouts)
    tally = Tally.total(Tally(**payload["tally"]) for payload in payloads)
    return publish(attempt, document, tally, scenes=len(rows), may_be_empty=count > 1)


def _chosen_sensors(asked: Sequence[str], table: SceneTable) -> tuple[str, ...]:
    """Return the sensors to store: those asked for, or all that the scenes have."""
    lacking = [name for name in asked if name not in table.sensors]
    if lacking:
        raise EarthenwareError(
            "NO_SUCH_COLUMN",
            f"sensors: the scenes have no column '{lacking[0]}'.",
            f"Query with that sensor, or leave it out of 'sensors'; the scenes have {', '.join(table.sensors)}.",
        )
    return tuple(asked) or table.sensors


def _rejected(attempt: Attempt) -> set[str]:
    """Return the ids of the scenes left out so far."""
    return {one.record for one in attempt.all_rejects()}


def _run_pool(
    attempt: Attempt, spec: BuildSpec, tasks: Sequence[PartTask], total: int, everything: int
) -> list[PartTask]:
    """Build parts and commit each when it is done; return those that a dying worker took along.

    ``total`` counts the chips that the scenes of this shard hold, ``everything`` the scenes of all shards.
    """
    finished = total - sum(task.part.chips for task in tasks)
    attempt.progress(finished, total, "candidate chips")
    if not tasks:
        return []
    rejected, waiting = _rejected(attempt), deque(tasks)
    lost: list[PartTask] = []
    running: dict[Future[BuiltPart], PartTask] = {}
    with process_pool(min(spec.workers, len(tasks))) as pool:
        try:
            while waiting or running:
                # A few at a time: what is handed over cannot be taken back, and a strip may spoil those that follow.
                while waiting and len(running) < _AHEAD * spec.workers:
                    task = waiting.popleft()
                    if task.part.is_spoilt(rejected):
                        finished += task.part.chips
                        continue
                    try:
                        running[pool.submit(build_part, task)] = task
                    except BrokenProcessPool:
                        lost.append(task)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        built = future.result()
                    except BrokenProcessPool:
                        lost.append(task)
                        continue
                    if not task.part.is_spoilt(rejected):
                        attempt.commit(task.part.key, built.payload, built.rejects)
                        rejected.update(one.record for one in built.rejects)
                    finished += task.part.chips
                    # Fail as soon as it is certain; a shard alone must exceed what all scenes together may lose.
                    attempt.check_rejects(everything, spec.reject_limit)
                attempt.progress(finished, total, "candidate chips")
        except Exception:
            # Parts under way are finished, not left half done: after an error such as a full disk they clean up.
            # An interrupted pool kills its workers instead: whoever did that does not want to wait.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return lost


def _remove_leftovers(attempt: Attempt, kept: Collection[str]) -> None:
    """Remove what killed attempts wrote and never committed."""
    parts = attempt.uri("parts")
    if storage.is_local(parts):  # a worker may have died between making folders and writing a file
        folder = storage.local_path(parts)
        paths = [path.relative_to(folder).as_posix() for path in folder.glob("*/*")]
    else:
        paths = list(storage.list_files(parts))
    found = {"/".join(["parts", *path.split("/")[:2]]) for path in paths if "/" in path}
    for path in sorted(found.difference(kept)):
        storage.delete_prefix(attempt.uri(path))
