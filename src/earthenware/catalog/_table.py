"""The scenes table: GeoParquet 1.1, one row per datacube to build."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from earthenware.catalog._grid import Grid
from earthenware.catalog._item import SceneItem
from earthenware.catalog._splits import Splits

_MOMENT = pa.timestamp("us", tz="UTC")
_ITEMS = pa.list_(pa.struct([("id", pa.string()), ("datetime", _MOMENT), ("item", pa.string())]))
_BOUNDS = pa.list_(pa.list_(pa.float64(), 4))


@dataclass(frozen=True)
class Scene:
    """One datacube to build: an optical acquisition of a site and what goes with it.

    Attributes:
        optical: The Sentinel-2 item.
        grid: The 10 m grid.
        matches: Sensor id -> items of the other sensors.
    """

    optical: SceneItem
    grid: Grid
    matches: Mapping[str, Sequence[SceneItem]]

    @property
    def id(self) -> str:
        """Name of the scene: its site and moment, which no two scenes share."""
        return f"{self.optical.site}_{self.optical.datetime:%Y%m%dT%H%M%S}"


def scenes_table(scenes: Sequence[Scene], splits: Splits, catalog: str, sensors: Sequence[str]) -> pa.Table:
    """Return the scenes as a table with GeoParquet metadata.

    Args:
        scenes: The scenes.
        splits: The division of the sites; the column ``withheld`` holds bounds of ground that another split uses.
        catalog: Name of the catalog's profile.
        sensors: Ids of the sensors that have a column, besides the optical one.

    Returns:
        The table, in the order of the scenes.
    """
    columns: dict[str, pa.Array] = {
        "id": pa.array([scene.id for scene in scenes], pa.string()),
        "site": pa.array([scene.optical.site for scene in scenes], pa.string()),
        "datetime": pa.array([scene.optical.datetime for scene in scenes], _MOMENT),
        "geometry": pa.array([scene.optical.geometry.wkb for scene in scenes], pa.binary()),
        "split": pa.array([splits.split[scene.optical.site] for scene in scenes], pa.string()),
        "crs": pa.array([scene.grid.crs for scene in scenes], pa.string()),
        "transform": pa.array([list(scene.grid.transform) for scene in scenes], pa.list_(pa.float64(), 6)),
        "height": pa.array([scene.grid.height for scene in scenes], pa.int32()),
        "width": pa.array([scene.grid.width for scene in scenes], pa.int32()),
        "catalog": pa.array([catalog] * len(scenes), pa.string()),
        "withheld": pa.array([splits.withheld.get(scene.optical.site, ()) for scene in scenes], _BOUNDS),
        "sentinel-2-l2a": pa.array([_structs([scene.optical]) for scene in scenes], _ITEMS),
    }
    for sensor in sensors:
        columns[sensor] = pa.array([_structs(scene.matches.get(sensor, ())) for scene in scenes], _ITEMS)
    table = pa.table(columns)
    return table.replace_schema_metadata({"geo": json.dumps(_geo(scenes), sort_keys=True)})


def _structs(items: Sequence[SceneItem]) -> list[dict[str, Any]]:
    return [
        {"id": item.id, "datetime": item.datetime, "item": json.dumps(item.item, sort_keys=True, default=str)}
        for item in items
    ]


def _geo(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the file metadata of GeoParquet 1.1; without a ``crs`` the coordinates are OGC:CRS84."""
    bounds = [scene.optical.geometry.bounds for scene in scenes]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({scene.optical.geometry.geom_type for scene in scenes}),
        "edges": "planar",
    }
    if bounds:
        west, south, east, north = zip(*bounds, strict=True)
        column["bbox"] = [min(west), min(south), max(east), max(north)]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
