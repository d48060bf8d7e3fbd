"""Building one part: what a worker process does."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earthenware import storage
from earthenware.chips import ChipWriter
from earthenware.datacube._cut import cut_scene
from earthenware.datacube._grid import chip_places
from earthenware.datacube._plan import PlannedPart
from earthenware.datacube._spec import BuildSpec
from earthenware.datacube._tally import Tally
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.scenes import Scene, parse_scene
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

    The part goes to ``uri``, which is ``path`` below the output; ``gsd`` is that of the scenes' grids in metres, and
    ``scratch`` a local folder for parts that are to be uploaded.
    """

    part: PlannedPart
    path: str
    uri: str
    sensors: tuple[str, ...]
    gsd: float
    spec: BuildSpec
    reading: Reading
    scratch: str


@dataclass(frozen=True)
class BuiltPart:
    """A part that is in place, as it is to be committed."""

    payload: dict[str, Any]
    rejects: tuple[Reject, ...]


def build_part(task: PartTask) -> BuiltPart:
    """Build a part where it belongs; it counts once the step has committed it. A bad scene is rejected."""
    from rasterio.errors import NotGeoreferencedWarning

    # rasterio hides this warning while it warps, in a way that threads undo for each other; it means nothing here.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    local = storage.is_local(task.uri)
    if local:
        directory = storage.local_path(task.uri)
        shutil.rmtree(directory, ignore_errors=True)  # what a worker of this attempt left that died
    else:
        directory = Path(tempfile.mkdtemp(prefix=f"{task.part.key}-", dir=task.scratch))
    in_place = False
    try:
        built = _build(task, directory)
        if built.payload["chips"] and not local:
            _upload(directory, task.uri)
        in_place = local and bool(built.payload["chips"])
    finally:
        if not in_place:
            shutil.rmtree(directory, ignore_errors=True)
    return built


def _upload(directory: Path, uri: str) -> None:
    """Copy a part to an object store, several files at a time: most of them are small, and each costs a round trip."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    with ThreadPoolExecutor(_UPLOADS) as pool:
        targets = [storage.join(uri, path.relative_to(directory).as_posix()) for path in files]
        list(pool.map(storage.upload_file, files, targets))


def _build(task: PartTask, directory: Path) -> BuiltPart:
    spec, part = task.spec, task.part
    rejects: list[Reject] = []
    scenes: list[Scene] = []
    for row in part.scenes:
        try:
            scenes.append(parse_scene(row, task.sensors))
        except EarthenwareError as error:
            rejects.append(Reject(str(row.get("id")), error.code, error.message))
    expected = sum(
        len(chip_places(one.grid.height, one.grid.width, spec.chip_size, spec.edges, part.rows)) for one in scenes
    )
    tally = Tally()
    with ThreadPoolExecutor(spec.threads) as pool:
        with storage.full_disk_explained(task.uri):
            writer = ChipWriter(
                directory, chip_size=spec.chip_size, gsd=task.gsd, sensors=task.sensors, expected=expected
            )
        for scene in scenes:
            seen = deepcopy(tally)
            try:
                block = cut_scene(scene, spec, task.sensors, task.reading, pool, tally, part.rows)
            except EarthenwareError as error:
                if error.code not in _SCENE_ERRORS:
                    raise
                rejects.append(Reject(scene.id, error.code, error.message))
                tally = seen
                continue
            if block is not None:
                with storage.full_disk_explained(task.uri):
                    writer.write(block.pixels, block.masks, block.rows)
        with storage.full_disk_explained(task.uri):
            summary = writer.close()
    payload = {**summary.to_json(), "path": task.path, "tally": asdict(tally)}
    return BuiltPart(payload, tuple(rejects))
