"""One scene: an acquisition of a site, the grid of its datacube, and the items of all sensors that fill it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from earthenware.sensors import SENSORS

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in metres of a CRS."""


@dataclass(frozen=True)
class ChosenItem:
    """A STAC item that fills a sensor of a scene.

    Attributes:
        id: STAC item id.
        datetime: Moment of acquisition, UTC; the middle where the item gives an interval.
        item: The STAC item with absolute links.
    """

    id: str
    datetime: dt.datetime
    item: Mapping[str, Any]


@dataclass(frozen=True)
class Scene:
    """One datacube to build.

    Attributes:
        id: Its name: site and moment, which no two scenes share.
        site: The tile or cell that it images.
        datetime: When its base sensor acquired it, UTC.
        geometry: Footprint of that acquisition in degrees.
        grid: The pixels to fill: north up, square, of the base sensor's ground sampling distance.
        items: Sensor id -> items chosen, the main one first; empty where the sensor has no match.
        catalog: Name of the profile of the catalog that they came from.
        split: "train", "validation" or "test"; all its chips inherit it.
        withheld: Bounds, in the grid's CRS, of ground that belongs to another split.
    """

    id: str
    site: str
    datetime: dt.datetime
    geometry: BaseGeometry
    grid: GeoBox
    items: Mapping[str, tuple[ChosenItem, ...]]
    catalog: str = ""
    split: str = ""
    withheld: tuple[Bounds, ...] = ()

    @property
    def base(self) -> str:
        """Id of the sensor that gives the scene its grid, time and clouds."""
        return next(sensor for sensor in self.items if SENSORS[sensor].role == "base")
