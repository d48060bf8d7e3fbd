"""One STAC item, checked and read into what matching needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely
import shapely.errors
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from earthenware.catalog._hrefs import HostileLinkError, with_absolute_hrefs
from earthenware.errors import EarthenwareError
from earthenware.sensors import asset_for, has_asset, sensor

Moment = datetime
"""The type, where a field has its name."""


class BadItemError(ValueError):
    """An item that cannot be used.

    Attributes:
        reason: Code for the table of rejects.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class SceneItem:
    """One item of one sensor.

    Attributes:
        id: STAC item id.
        collection: STAC collection id.
        sensor: Sensor that it fills.
        datetime: Moment of acquisition, UTC; the middle where only an interval is given.
        geometry: Footprint in degrees.
        site: Tile or cell that it images; empty where it is not named.
        cloud_cover: Share (0..1); NaN where not given.
        nodata: Share (0..1) without data; NaN where not given.
        revision: Version of its processing, a later one larger; 0 where not given.
        generated: When the product was made, UTC; the smallest datetime where not given.
        item: The STAC item with absolute links, and only the assets that the sensor needs.
    """

    id: str
    collection: str
    sensor: str
    datetime: Moment
    geometry: BaseGeometry
    site: str
    cloud_cover: float
    nodata: float
    revision: float
    generated: Moment
    item: Mapping[str, Any]


def read_item(raw: Any, sensor_id: str, base: str) -> SceneItem:
    """Check an item and read it.

    Args:
        raw: STAC item as the catalog gave it.
        sensor_id: Sensor that it shall fill.
        base: URI that its relative links are resolved against.

    Raises:
        BadItemError: It cannot be used; the message says why.
    """
    if not isinstance(raw, Mapping):
        raise BadItemError("MALFORMED_ITEM", f"it is a {type(raw).__name__}, not an object")
    if not isinstance(raw.get("id"), str) or not raw["id"]:
        raise BadItemError("MALFORMED_ITEM", "it has no id")
    properties = raw.get("properties")
    if not isinstance(properties, Mapping):
        raise BadItemError("MALFORMED_ITEM", "it has no properties")
    if not isinstance(raw.get("assets"), Mapping) or not raw["assets"]:
        raise BadItemError("MALFORMED_ITEM", "it has no assets")
    try:
        item = with_absolute_hrefs(raw, base)
    except HostileLinkError as error:
        raise BadItemError("HOSTILE_LINK", str(error)) from error
    except (ValueError, EarthenwareError) as error:
        raise BadItemError("MALFORMED_ITEM", str(error)) from error
    wanted = sensor(sensor_id)
    revision = wanted.revision_of(item)
    return SceneItem(
        id=item["id"],
        collection=str(item.get("collection") or ""),
        sensor=sensor_id,
        datetime=_moment(properties),
        geometry=_footprint(item),
        site=wanted.site_of(item),
        cloud_cover=_percent(properties.get("eo:cloud_cover")),
        nodata=wanted.nodata_of(item),
        revision=0.0 if math.isnan(revision) else revision,
        generated=_parse(properties.get("s2:generation_time") or properties.get("created"))
        or datetime.min.replace(tzinfo=UTC),
        item={**item, "assets": _needed_assets(item, sensor_id)},
    )


def _needed_assets(item: Mapping[str, Any], sensor_id: str) -> dict[str, Any]:
    bands = list(sensor(sensor_id).band_names)
    quality = sensor(sensor_id).quality
    if quality is not None and has_asset(item, sensor_id, quality.band):
        bands.append(quality.band)
    try:
        needed = [asset_for(item, sensor_id, band) for band in bands]
    except EarthenwareError as error:
        raise BadItemError(error.code, error.message) from error
    return {name: asset for name, asset in item["assets"].items() if any(asset is one for one in needed)}


def _parse(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment(properties: Mapping[str, Any]) -> datetime:
    moment = _parse(properties.get("datetime"))
    if moment is not None:
        return moment
    first, last = _parse(properties.get("start_datetime")), _parse(properties.get("end_datetime"))
    if first is not None and last is not None and first <= last:
        return first + (last - first) / 2
    raise BadItemError("MALFORMED_ITEM", f"its datetime {properties.get('datetime')!r} is not a moment in time")


def _footprint(item: Mapping[str, Any]) -> BaseGeometry:
    try:
        if item.get("geometry"):
            geometry = shape(item["geometry"])
        else:
            west, south, *_, east, north = item["bbox"] if len(item["bbox"]) == 4 else _flat(item["bbox"])
            geometry = box(west, south, east, north)
        geometry = geometry if geometry.is_valid else shapely.make_valid(geometry)
        bounds = geometry.bounds
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise BadItemError("MALFORMED_ITEM", "its geometry cannot be read") from error
    if geometry.is_empty or geometry.area == 0 or not all(math.isfinite(value) for value in bounds):
        raise BadItemError("MALFORMED_ITEM", "its geometry has no area")
    if bounds[0] < -181 or bounds[2] > 181 or bounds[1] < -91 or bounds[3] > 91:
        raise BadItemError("MALFORMED_ITEM", f"its geometry lies outside the Earth's degrees: {bounds}")
    return geometry


def _flat(values: Any) -> tuple[float, float, float, float]:
    west, south, _, east, north, _ = values  # with heights
    return west, south, east, north


def _percent(value: Any) -> float:
    return value / 100 if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
