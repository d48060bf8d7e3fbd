"""The table of scenes: one row per datacube to build, a GeoParquet file that a query writes and a build reads.

Columns: ``id``; ``site``, the tile or cell it images; ``datetime`` (UTC) and ``geometry`` (WKB, longitude and latitude)
of the base sensor's acquisition; ``split``; the grid as ``crs``, ``transform`` (affine a to f), ``height`` and
``width``; ``catalog``, the name of the profile it came from; ``withheld``, bounds (left, bottom, right, top in the
grid's CRS) of ground that another split uses; and per sensor, named by its id, the STAC items chosen: ``id``,
``datetime`` and ``item``, the item as JSON with absolute links.
"""

from __future__ import annotations

from earthenware.scenes._scene import Bounds, ChosenItem, Scene
from earthenware.scenes._table import (
    SCENES_FILE,
    SceneRow,
    SceneTable,
    open_scenes,
    parse_scene,
    scenes_table,
)

__all__ = [
    "SCENES_FILE",
    "Bounds",
    "ChosenItem",
    "Scene",
    "SceneRow",
    "SceneTable",
    "open_scenes",
    "parse_scene",
    "scenes_table",
]
