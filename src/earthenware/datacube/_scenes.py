"""The table of scenes: reading it, choosing a shard of it, and grouping scenes into parts."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from earthenware import storage
from earthenware.datacube._grid import Grid
from earthenware.errors import EarthenwareError
from earthenware.sensors import LAND_COVER

SCENES_FILE = "scenes.parquet"
_COLUMNS = ("id", "site", "datetime", "split", "crs", "transform", "height", "width")

Bounds = tuple[float, float, float, float]
SceneRow = Mapping[str, Any]
"""One row of the table as plain values."""


@dataclass(frozen=True)
class Scene:
    """One datacube to build.

    Attributes:
        id: Scene id.
        site: The place it lies in.
        split: "train", "validation" or "test"; all its chips inherit it.
        datetime: Acquisition of the Sentinel-2 scene, UTC.
        grid: The pixels to fill.
        items: Sensor id -> STAC items chosen, empty where the sensor has no match.
        times: Sensor id -> acquisition time of the first item.
        withheld: Bounds (left, bottom, right, top in the grid's CRS, metres) of ground that belongs to another split.
    """

    id: str
    site: str
    split: str
    datetime: dt.datetime
    grid: Grid
    items: Mapping[str, tuple[Mapping[str, Any], ...]]
    times: Mapping[str, dt.datetime | None]
    withheld: tuple[Bounds, ...] = ()


def read_scene_table(uri: str) -> pa.Table:
    """Read the scenes of a query's output, or of a Parquet file.

    Raises:
        EarthenwareError: ``NO_SCENES`` for a missing or an empty table, ``BAD_SCENES`` for one that is not in shape.
    """
    where = storage.redact(uri)
    file = uri if uri.endswith(".parquet") else storage.join(uri, SCENES_FILE)
    try:
        table = storage.read_table(file)
    except FileNotFoundError as error:
        message = f"'{where}' holds no table of scenes ({SCENES_FILE})."
        raise EarthenwareError("NO_SCENES", message, "Give the output of 'earthenware query'.") from error
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        message = f"The table of scenes '{where}' has no column '{missing[0]}'."
        raise EarthenwareError("BAD_SCENES", message, "Give the output of 'earthenware query'.")
    if not len(table):
        message = f"The table of scenes '{where}' is empty."
        raise EarthenwareError("NO_SCENES", message, "Widen the area, the dates or the cloud limit of the query.")
    ids = table["id"].to_pylist()
    if len(set(ids)) != len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        message = f"The table of scenes '{where}' names '{twice}' twice."
        raise EarthenwareError("BAD_SCENES", message, "Scene ids must be unique, as chips are named after them.")
    return table


def chosen_sensors(asked: Sequence[str], table: pa.Table) -> tuple[str, ...]:
    """Return the sensors to store: those asked for, without land cover where the scenes have none.

    Raises:
        EarthenwareError: ``NO_SUCH_COLUMN`` when the scenes lack another sensor.
    """
    chosen = tuple(sensor for sensor in asked if sensor in table.column_names)
    lacking = [sensor for sensor in asked if sensor not in chosen and sensor != LAND_COVER.id]
    if lacking:
        raise EarthenwareError(
            "NO_SUCH_COLUMN",
            f"sensors: the scenes have no column '{lacking[0]}'.",
            "Query with that sensor, or leave it out of 'sensors'.",
        )
    return chosen


def _hash(scene_id: str) -> str:
    return hashlib.sha256(scene_id.encode()).hexdigest()


def shard_rows(table: pa.Table, index: int, count: int) -> list[SceneRow]:
    """Return a shard's scenes: every ``count``-th in the order of their ids' hashes, which mixes places and dates.

    Only these rows are turned into Python values: items are long, and a table may hold a continent's.
    """
    ids = table["id"].to_pylist()
    order = sorted(range(len(ids)), key=lambda position: (_hash(ids[position]), ids[position]))
    rows: list[SceneRow] = table.take(pa.array(order[index::count], pa.int64())).to_pylist()
    return rows


def group_scenes(
    rows: Sequence[SceneRow], *, chip_size: int, part_chips: int, alone_above: int
) -> dict[str, list[SceneRow]]:
    """Group scenes into parts, in order, closing a part when it may hold ``part_chips`` chips.

    Args:
        rows: Scenes in hash order.
        chip_size: Edge of a chip in pixels.
        part_chips: Number of chips after which a part is closed.
        alone_above: A scene of more pixels than this gets a part of its own.

    Returns:
        Part key -> scenes. The key depends on the scenes' ids alone, so that a later attempt finds the part again.
    """
    groups: list[list[SceneRow]] = [[]]
    chips = 0
    for row in rows:
        height, width = int(row["height"] or 0), int(row["width"] or 0)
        count = (height // chip_size) * (width // chip_size)
        alone = height * width > alone_above
        if groups[-1] and (chips + count > part_chips or alone):
            groups.append([])
            chips = 0
        groups[-1].append(row)
        chips += part_chips if alone else count
    keyed = {}
    for group in groups:
        if group:
            keyed[_hash("\n".join(row["id"] for row in group))[:16]] = group
    return keyed


def parse_scene(row: SceneRow, sensors: Sequence[str], gsd: float) -> Scene:
    """Turn a row into a scene.

    Raises:
        EarthenwareError: ``BAD_SCENE``, naming what is wrong with it.
    """
    try:
        transform = tuple(float(value) for value in row["transform"])
        if len(transform) != 6:
            raise ValueError("its transform does not have six numbers")
        a, b, _, d, e, _ = transform
        if b or d or abs(a - gsd) > 1e-6 or abs(e + gsd) > 1e-6:
            raise ValueError(f"its grid is not north-up with pixels of {gsd:g} m")
        grid = Grid(str(row["crs"]), transform, int(row["height"]), int(row["width"]))
        from rasterio.crs import CRS

        if not CRS.from_user_input(grid.crs).is_projected:
            raise ValueError(f"its CRS '{grid.crs}' is not in metres")
        items: dict[str, tuple[Mapping[str, Any], ...]] = {}
        times: dict[str, dt.datetime | None] = {}
        for sensor in sensors:
            chosen = row.get(sensor) or []
            items[sensor] = tuple(json.loads(one["item"]) for one in chosen)
            times[sensor] = chosen[0]["datetime"] if chosen else None
        withheld: list[Bounds] = []
        for left, bottom, right, top in row.get("withheld") or []:
            withheld.append((float(left), float(bottom), float(right), float(top)))
        if not all(isinstance(item, dict) for chosen in items.values() for item in chosen):
            raise ValueError("an item is not a JSON object")
    except (ValueError, TypeError, KeyError) as error:
        # rasterio's CRSError is a ValueError, as is what the JSON parser raises.
        raise EarthenwareError("BAD_SCENE", f"Scene '{row.get('id')}' cannot be used: {error}.") from error
    return Scene(
        id=str(row["id"]),
        site=str(row["site"]),
        split=str(row["split"]),
        datetime=row["datetime"],
        grid=grid,
        items=items,
        times=times,
        withheld=tuple(withheld),
    )
