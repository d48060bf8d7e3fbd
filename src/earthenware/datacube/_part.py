"""Building one part: what a worker process does."""

from __future__ import annotations

import hashlib
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
from earthenware.datacube._cut import cut_scene
from earthenware.datacube._grid import chip_places
from earthenware.datacube._spec import BuildSpec
from earthenware.datacube._tally import Tally
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.scenes import Scene, SceneRow, parse_scene
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

    key: str
    path: str
    uri: str
    scenes: Sequence[SceneRow]
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


def group_scenes(
    rows: Sequence[SceneRow], *, chip_size: int, part_chips: int, alone_above: int
) -> dict[str, list[SceneRow]]:
    """Group scenes, given in hash order, into parts, closing one when it may hold ``part_chips`` chips.

    A scene of more pixels than ``alone_above`` gets a part of its own. A part's key depends on the ids of its scenes
    alone, so that a later attempt finds it again.
    """
    groups: list[list[SceneRow]] = []
    chips = 0
    for row in rows:
        height, width = int(row["height"] or 0), int(row["width"] or 0)
        count = (height // chip_size) * (width // chip_size)
        alone = height * width > alone_above
        if not groups or chips + count > part_chips or alone:
            groups.append([])
            chips = 0
        groups[-1].append(row)
        chips += part_chips if alone else count
    ids = ("\n".join(row["id"] for row in group) for group in groups)
    keys = (hashlib.sha256(text.encode()).hexdigest()[:16] for text in ids)
    return dict(zip(keys, groups, strict=True))


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
        directory = Path(tempfile.mkdtemp(prefix=f"{task.key}-", dir=task.scratch))
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
    spec = task.spec
    rejects: list[Reject] = []
    scenes: list[Scene] = []
    for row in task.scenes:
        try:
            scenes.append(parse_scene(row, task.sensors))
        except EarthenwareError as error:
            rejects.append(Reject(str(row.get("id")), error.code, error.message))
    expected = sum(len(chip_places(one.grid.height, one.grid.width, spec.chip_size, spec.edges)) for one in scenes)

    def new_writer() -> ChipWriter:
        with storage.full_disk_explained(task.uri):
            return ChipWriter(
                directory, chip_size=spec.chip_size, gsd=task.gsd, sensors=task.sensors, expected=expected
            )

    tally = Tally()
    with ThreadPoolExecutor(spec.threads) as pool:
        writer = new_writer()
        for scene in scenes:
            before, seen = len(writer), deepcopy(tally)
            try:
                # A scene that fits into one strip is read whole before any of it is written.
                for block in cut_scene(scene, spec, task.sensors, task.reading, pool, tally):
                    with storage.full_disk_explained(task.uri):
                        writer.write(block.pixels, block.masks, block.rows)
            except EarthenwareError as error:
                if error.code not in _SCENE_ERRORS:
                    raise
                rejects.append(Reject(scene.id, error.code, error.message))
                tally = seen
                if len(writer) > before:  # only a scene of several strips, which is alone in its part
                    shutil.rmtree(directory)
                    writer = new_writer()
        with storage.full_disk_explained(task.uri):
            summary = writer.close()
    payload = {**summary.to_json(), "path": task.path, "scenes": len(task.scenes), "tally": asdict(tally)}
    return BuiltPart(payload, tuple(rejects))
