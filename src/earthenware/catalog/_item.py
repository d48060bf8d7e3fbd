"""One STAC item, checked and read into what matching needs; no link of it leads from the web into this machine."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import PureWindowsPath
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import shapely
import shapely.errors
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from earthenware import storage
from earthenware.errors import EarthenwareError, first_line
from earthenware.network import permitted_link
from earthenware.scenes import ChosenItem
from earthenware.sensors import asset_for, has_asset, sensor

_READ: Final = {"http", "https", "s3"}
_OTHERS: Final = {"gs", "az", "abfs", "abfss", "oss", "swift", "ftp"}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_VSI: Final = re.compile(r"/+vsi", re.ASCII | re.IGNORECASE)
"""How the names of GDAL's own file systems begin."""
_DEEPEST: Final = 100
_YEARS: Final = range(1000, 9000)
"""Years around which there are others, written with as many digits; a map that holds for ever ends in 9999."""


class BadItemError(Exception):
    """An item that cannot be used; ``reason`` is its code in the table of rejects."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@contextmanager
def judged() -> Iterator[None]:
    """Make anything that an item's values lead to within this block a :class:`BadItemError`: it is the item's fault."""
    try:
        yield
    except BadItemError:
        raise
    except Exception as error:  # what libraries raise over absurd values has no common class
        raise BadItemError("MALFORMED_ITEM", f"one of its values cannot be used: {first_line(error)}") from error


def check_values(value: Any, depth: int = _DEEPEST) -> None:
    """Refuse what a JSON text may hold and hardly anything else can: numbers without end, halves of characters.

    Raises:
        ValueError: It holds such a value, or is nested too deeply.
        OverflowError: It holds a number of hundreds of digits.
    """
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict | list):
        if not depth:
            raise ValueError(f"values are nested more than {_DEEPEST} deep")
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            check_values(one, depth - 1)
    elif isinstance(value, int | float) and math.isinf(value):
        raise ValueError("a number is infinite")


@dataclass(frozen=True)
class SceneItem(ChosenItem):
    """One item of one sensor, with only the assets that the sensor needs.

    Attributes:
        collection: STAC collection id.
        sensor: Sensor that it fills.
        geometry: Footprint in degrees.
        site: Tile or cell that it images; empty where it is not named.
        cloud_cover: Share (0..1); NaN where not given.
        nodata: Share (0..1) without data; NaN where not given.
        revision: Version of its processing, a later one larger; 0 where not given.
        generated: When the product was made, UTC; the smallest datetime where not given.
    """

    collection: str
    sensor: str
    geometry: BaseGeometry
    site: str
    cloud_cover: float
    nodata: float
    revision: float
    generated: datetime


class _Packed(Mapping[str, Any]):
    """An item as text, which is a quarter of what it takes otherwise; it is parsed when it is looked into."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self._text = json.dumps(item)

    def __getitem__(self, key: str) -> Any:
        return _parsed(self._text)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_parsed(self._text))

    def __len__(self) -> int:
        return len(_parsed(self._text))


@lru_cache(maxsize=64)
def _parsed(text: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(text)
    return item


def read_item(raw: Any, sensor_id: str, base: str) -> SceneItem:
    """Check an item as the catalog gave it and read it; ``base`` is the URI that its relative links start from.

    Raises:
        BadItemError: It cannot be used; the message says why. Absurd values raise anything else: see :func:`judged`.
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
    item = {**raw, "assets": _readable_assets(raw["assets"], base)}
    wanted = sensor(sensor_id)
    revision = wanted.revision_of(item)
    return SceneItem(
        id=item["id"],
        datetime=_moment(properties),
        collection=str(item.get("collection") or ""),
        sensor=sensor_id,
        geometry=_footprint(item),
        site=wanted.site_of(item),
        cloud_cover=_percent(properties.get("eo:cloud_cover")),
        nodata=wanted.nodata_of(item),
        revision=0.0 if math.isnan(revision) else revision,
        generated=_parse(properties.get("s2:generation_time") or properties.get("created"))
        or datetime.min.replace(tzinfo=UTC),
        item=_Packed({**item, "assets": _needed_assets(item, sensor_id)}),
    )


def _readable_assets(assets: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return assets with absolute links, without those of a kind that is not read; a hostile link spoils the item."""
    found: dict[str, Any] = {}
    for name, asset in assets.items():
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            raise BadItemError("MALFORMED_ITEM", f"asset {name!r} has no href")
        href = absolute_href(asset["href"], base)
        if href is not None:
            found[name] = {**asset, "href": href}
    return found


def absolute_href(href: str, base: str) -> str | None:
    """Resolve a link against the URI of the document that it stands in: to an http(s) or s3 URI, or a local path.

    None for a link that means no harm and is not read: of another service, or unencrypted where the document was not.

    Raises:
        BadItemError: A document from elsewhere points to a local file or to a host that only this machine or its
            network can reach, or any points into GDAL's own file systems.
    """
    remote = not storage.is_local(base)
    text = href.strip()
    if not text or "\0" in text or text.startswith("<") or _VSI.match(text):
        raise BadItemError("HOSTILE_LINK", f"link {href[:120]!r} is not the address of a file")
    scheme = urlsplit(text).scheme.lower() if _SCHEME.match(text) and not PureWindowsPath(text).drive else ""
    if scheme in _READ | _OTHERS and text[len(scheme) :].startswith("://"):
        return _permitted(scheme + text[len(scheme) :], base)
    if scheme not in {"", "file"}:  # a GDAL driver's connection string, such as WMS:... or HDF5:...
        raise BadItemError("HOSTILE_LINK", f"link {href[:120]!r} is not the address of a file")
    if remote and (scheme == "file" or text.startswith(("/", "\\", "~")) or PureWindowsPath(text).drive):
        message = f"link {href[:120]!r} of an item from {storage.redact(base)} points to a local file"
        raise BadItemError("HOSTILE_LINK", message)
    if base.startswith("s3://"):  # urljoin knows web schemes only
        joined = urljoin("http://" + base.removeprefix("s3://"), text)
        return _permitted("s3://" + joined.removeprefix("http://"), base)
    if remote:
        return _permitted(urljoin(base, text), base)
    if scheme == "file" or text.startswith("/"):
        return storage.normalise(text)
    return storage.normalise(f"{storage.parent(storage.normalise(base))}/{text}")


def _permitted(link: str, base: str) -> str | None:
    scheme = link.partition("://")[0]
    if scheme in _OTHERS or (scheme == "http" and base.startswith(("https://", "s3://"))):
        return None
    try:
        permitted_link(link, base)
    except EarthenwareError as error:
        raise BadItemError("HOSTILE_LINK", error.message.rstrip(".")) from None
    return link


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
    if moment is None:
        first, last = _parse(properties.get("start_datetime")), _parse(properties.get("end_datetime"))
        if first is not None and last is not None and first <= last:
            moment = first + (last - first) / 2
    if moment is not None and moment.year in _YEARS:
        return moment
    raise BadItemError("MALFORMED_ITEM", f"its datetime {properties.get('datetime')!r} is not a moment in time")


def _footprint(item: Mapping[str, Any]) -> BaseGeometry:
    try:
        if item.get("geometry"):
            geometry = shape(item["geometry"])
        else:
            corners = list(item["bbox"])
            if len(corners) == 6:
                del corners[2::3]  # heights
            west, south, east, north = corners
            geometry = box(west, south, east, north)
        geometry = geometry if geometry.is_valid else shapely.make_valid(geometry)
        bounds = geometry.bounds
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise BadItemError("MALFORMED_ITEM", "its geometry cannot be read") from error
    if geometry.is_empty or geometry.area == 0 or not all(map(math.isfinite, bounds)):
        raise BadItemError("MALFORMED_ITEM", "its geometry has no area")
    if bounds[0] < -181 or bounds[2] > 181 or bounds[1] < -91 or bounds[3] > 91:
        raise BadItemError("MALFORMED_ITEM", f"its geometry lies outside the Earth's degrees: {bounds}")
    return geometry


def _percent(value: Any) -> float:
    return value / 100 if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
