"""Building one part: what a worker process does."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earthenware import storage
from earthenware.chips import ChipWriter
from earthenware.datacube._cut import Tally, cut_scene
from earthenware.datacube._grid import chip_places
from earthenware.datacube._scenes import Scene, SceneRow, parse_scene
from earthenware.datacube._spec import BuildSpec
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.steps import Reject

_SCENE_ERRORS = frozenset(
    {
        "ASSET_TOO_LARGE",
        "BAD_SCENE",
        "FORBIDDEN_LINK",
        "HTTP_ERROR",
        "MISSING_ASSET",
        "MIXED_OFFSETS",
        "NO_CRS",
        "NO_OVERLAP",
        "TOO_SMALL",
        "UNREADABLE_ASSET",
    }
)
"""Codes that make one scene unusable; any other error ends the step."""

_UPLOADS = 8


@dataclass(frozen=True)
class PartTask:
    """What a worker needs to build a part.

    Attributes:
        key: The part's key.
        path: Where it goes, relative to the output.
        uri: Where it goes.
        scenes: Rows of the table of scenes.
        sensors: Sensors to store.
        spec: How to build.
        scratch: A local folder for parts that are to be uploaded.
        own: URIs whose buckets are the user's own.
        catalog: Where the scenes were found; empty where that is not known.
    """

    key: str
    path: str
    uri: str
    scenes: Sequence[SceneRow]
    sensors: tuple[str, ...]
    spec: BuildSpec
    scratch: str
    own: tuple[str, ...] = ()
    catalog: str = ""


@dataclass(frozen=True)
class BuiltPart:
    """A part that is in place, as it is to be committed."""

    key: str
    payload: dict[str, Any]
    rejects: tuple[Reject, ...]


def build_part(task: PartTask) -> BuiltPart:
    """Build a part where it belongs; it counts once the step has committed it.

    Raises:
        EarthenwareError: ``STORAGE_FULL`` and the like; a bad scene is rejected instead.
    """
    from rasterio.errors import NotGeoreferencedWarning

    # rasterio hides this warning while it warps, in a way that threads undo for each other; it means nothing here.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    local = storage.is_local(task.uri)
    if local:
        directory = storage.local_path(task.uri)
        shutil.rmtree(directory, ignore_errors=True)  # what a worker of this attempt left that died
    else:
        directory = Path(tempfile.mkdtemp(prefix=f"{task.key}-", dir=task.scratch))
    try:
        built = _build(task, directory)
        if not local and built.payload["chips"]:
            _upload(directory, task.uri)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    if not local or not built.payload["chips"]:
        shutil.rmtree(directory, ignore_errors=True)
    return built


def _upload(directory: Path, uri: str) -> None:
    """Copy a part to an object store, several files at a time: most of them are small, and each costs a round trip."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    with ThreadPoolExecutor(_UPLOADS) as pool:
        targets = [storage.join(uri, path.relative_to(directory).as_posix()) for path in files]
        list(pool.map(storage.upload_file, files, targets))


def _build(task: PartTask, directory: Path) -> BuiltPart:
    spec = task.spec
    reading = Reading(retries=spec.retries, timeout=spec.timeout, own=task.own, catalog=task.catalog)
    rejects: list[Reject] = []
    scenes: list[Scene] = []
    for row in task.scenes:
        try:
            scenes.append(parse_scene(row, task.sensors, spec.gsd))
        except EarthenwareError as error:
            rejects.append(_reject(str(row.get("id")), error))
    expected = sum(len(chip_places(one.grid.height, one.grid.width, spec.chip_size, spec.edges)) for one in scenes)
    tally = Tally()
    with ThreadPoolExecutor(spec.threads) as pool:
        writer = _writer(directory, task, expected)
        for scene in scenes:
            before, seen = len(writer), deepcopy(tally)
            try:
                # A scene that fits into one strip is read whole before any of it is written.
                for block in cut_scene(scene, spec, task.sensors, reading, pool, tally):
                    with storage.full_disk_explained(task.uri):
                        writer.write(block.pixels, block.masks, block.rows)
            except EarthenwareError as error:
                if error.code not in _SCENE_ERRORS:
                    raise
                rejects.append(_reject(scene.id, error))
                tally = seen
                if len(writer) > before:  # only a scene of several strips, which is alone in its part
                    shutil.rmtree(directory)
                    writer = _writer(directory, task, expected)
        with storage.full_disk_explained(task.uri):
            summary = writer.close()
    payload = {**summary.to_json(), "path": task.path, "scenes": len(task.scenes), "tally": asdict(tally)}
    return BuiltPart(task.key, payload, tuple(rejects))


def _writer(directory: Path, task: PartTask, expected: int) -> ChipWriter:
    spec = task.spec
    with storage.full_disk_explained(task.uri):
        return ChipWriter(directory, chip_size=spec.chip_size, gsd=spec.gsd, sensors=task.sensors, expected=expected)


def _reject(scene: str, error: EarthenwareError) -> Reject:
    return Reject(scene, error.code, error.message)
