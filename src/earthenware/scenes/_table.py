"""The scenes table: its schema, its one writer and its one reader."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.scenes._scene import Bounds, ChosenItem, Scene
from earthenware.sensors import SENSORS
from earthenware.steps import read_artifact

SCENES_FILE: Final = "scenes.parquet"
"""Name of the table below a query's output."""

_MOMENT: Final = pa.timestamp("us", tz="UTC")
_ITEMS: Final = pa.list_(pa.struct([("id", pa.string()), ("datetime", _MOMENT), ("item", pa.string())]))
_COLUMNS: Final = {
    "id": pa.string(),
    "site": pa.string(),
    "datetime": _MOMENT,
    "geometry": pa.binary(),
    "split": pa.string(),
    "crs": pa.string(),
    "transform": pa.list_(pa.float64(), 6),
    "height": pa.int32(),
    "width": pa.int32(),
    "catalog": pa.string(),
    "withheld": pa.list_(pa.list_(pa.float64(), 4)),
}
_REMEDY: Final = "Give the output of 'earthenware query'."

SceneRow = Mapping[str, Any]
"""One row as plain values, which a worker process parses: items are long, and a table may hold a continent's."""


def scenes_table(scenes: Sequence[Scene], sensors: Sequence[str]) -> pa.Table:
    """Return scenes as a table with GeoParquet metadata.

    Args:
        scenes: The scenes, in the order of the rows.
        sensors: Ids of the sensors that have a column, in the order in which chips will store them.
    """
    schema = pa.schema([*_COLUMNS.items(), *((sensor, _ITEMS) for sensor in sensors)])
    bounds = tuple(shapely.total_bounds([scene.geometry for scene in scenes])) if scenes else None
    geo = storage.geo_metadata({scene.geometry.geom_type for scene in scenes}, bounds)
    return pa.Table.from_pylist([_row(scene, sensors) for scene in scenes], schema=schema.with_metadata(geo))


def _row(scene: Scene, sensors: Sequence[str]) -> dict[str, Any]:
    return {
        "id": scene.id,
        "site": scene.site,
        "datetime": scene.datetime,
        "geometry": scene.geometry.wkb,
        "split": scene.split,
        "crs": str(scene.grid.crs),
        "transform": list(scene.grid.affine[:6]),
        "height": scene.grid.height,
        "width": scene.grid.width,
        "catalog": scene.catalog,
        "withheld": [list(bounds) for bounds in scene.withheld],
        **{
            sensor: [
                {
                    "id": one.id,
                    "datetime": one.datetime,
                    "item": json.dumps(dict(one.item), sort_keys=True, default=str),
                }
                for one in scene.items.get(sensor, ())
            ]
            for sensor in sensors
        },
    }


@dataclass(frozen=True)
class SceneTable:
    """The scenes of a query, checked but not yet parsed."""

    table: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    @property
    def sensors(self) -> tuple[str, ...]:
        """Ids of the sensors that the scenes have, in the table's order."""
        return tuple(name for name in self.table.column_names if name in SENSORS)

    @property
    def base(self) -> str:
        """Id of the sensor that gives the scenes their grids."""
        return next(sensor for sensor in self.sensors if SENSORS[sensor].role == "base")

    def shard(self, index: int, count: int) -> list[SceneRow]:
        """Return every ``count``-th scene in the order of their ids' hashes, which mixes sites and dates."""
        ids = self.table["id"].to_pylist()
        order = sorted(range(len(ids)), key=lambda row: (hashlib.sha256(ids[row].encode()).hexdigest(), ids[row]))
        rows: list[SceneRow] = self.table.take(pa.array(order[index::count], pa.int64())).to_pylist()
        return rows

    def scenes(self, ids: Collection[str] | None = None) -> list[Scene]:
        """Return the scenes, or those of some ids, in the table's order.

        Raises:
            EarthenwareError: ``BAD_SCENE``.
        """
        table = self.table
        if ids is not None:
            table = table.filter(np.isin(table["id"].to_numpy(), list(ids)))
        return [parse_scene(row, self.sensors) for row in table.to_pylist()]


def open_scenes(uri: str) -> SceneTable:
    """Read the scenes of a query's output, or of a Parquet file.

    Raises:
        EarthenwareError: ``NO_SCENES`` for a missing or an empty table, ``BAD_SCENES`` for one that is not in shape.
    """
    named = f"The table of scenes '{storage.redact(uri)}'"
    try:
        data = storage.read_bytes(uri) if uri.endswith(".parquet") else read_artifact(uri, SCENES_FILE)
        table = storage.parse_table(data, uri)
    except FileNotFoundError as error:
        message = f"'{storage.redact(uri)}' holds no table of scenes ({SCENES_FILE})."
        raise EarthenwareError("NO_SCENES", message, _REMEDY) from error
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise EarthenwareError("BAD_SCENES", f"{named} has no column '{missing[0]}'.", _REMEDY)
    bases = [name for name in table.column_names if name in SENSORS and SENSORS[name].role == "base"]
    if len(bases) != 1:
        raise EarthenwareError("BAD_SCENES", f"{named} has {len(bases)} base sensors, not one.", _REMEDY)
    if not len(table):
        remedy = "Widen the area, the dates or the cloud limit of the query."
        raise EarthenwareError("NO_SCENES", f"{named} is empty.", remedy)
    most, times = Counter(table["id"].to_pylist()).most_common(1)[0]
    if times > 1:
        remedy = "Scene ids must be unique, as chips are named after them."
        raise EarthenwareError("BAD_SCENES", f"{named} names '{most}' twice.", remedy)
    return SceneTable(table)


def parse_scene(row: SceneRow, sensors: Sequence[str]) -> Scene:
    """Turn a row into a scene with these sensors, one of which is a base.

    Raises:
        EarthenwareError: ``BAD_SCENE``, naming what is wrong with it.
    """
    try:
        items = {
            sensor: tuple(
                ChosenItem(str(one["id"]), one["datetime"], json.loads(one["item"])) for one in row.get(sensor) or ()
            )
            for sensor in sensors
        }
        if not all(isinstance(one.item, dict) for chosen in items.values() for one in chosen):
            raise ValueError("an item is not a JSON object")
        withheld: list[Bounds] = [(float(a), float(b), float(c), float(d)) for a, b, c, d in row.get("withheld") or []]
        base = next(SENSORS[sensor] for sensor in sensors if SENSORS[sensor].role == "base")
        return Scene(
            id=str(row["id"]),
            site=str(row["site"]),
            datetime=row["datetime"],
            geometry=shapely.from_wkb(row["geometry"]),
            grid=_grid(row, base.gsd_m),
            items=items,
            catalog=str(row["catalog"]),
            split=str(row["split"]),
            withheld=tuple(withheld),
        )
    except (ValueError, TypeError, KeyError, shapely.errors.ShapelyError, RuntimeError) as error:
        # The CRS errors of pyproj are RuntimeErrors; what the JSON parser raises is a ValueError.
        raise EarthenwareError("BAD_SCENE", f"Scene '{row.get('id')}' cannot be used: {error}.") from error


def _grid(row: SceneRow, gsd: float) -> GeoBox:
    transform = Affine(*(float(value) for value in row["transform"]))
    a, b, c, d, e, f = transform[:6]
    if b or d or abs(a - gsd) > 1e-6 or abs(e + gsd) > 1e-6 or not math.isfinite(c + f):
        raise ValueError(f"its grid is not north-up with pixels of {gsd:g} m")
    grid = GeoBox((int(row["height"]), int(row["width"])), transform, str(row["crs"]))
    if grid.crs is None or not grid.crs.projected:
        raise ValueError(f"its CRS '{row['crs']}' is not in metres")
    return grid
