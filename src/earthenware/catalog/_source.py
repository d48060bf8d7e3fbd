"""Where items come from: an API that is searched, or a file that is filtered; both answer the same questions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from shapely.geometry import box

from earthenware import storage
from earthenware.catalog._api import StacApi
from earthenware.catalog._file import is_file, read_items
from earthenware.catalog._item import BadItemError, SceneItem, read_item
from earthenware.catalog._spec import Box, Interval, QuerySpec, parse_bbox, parse_interval
from earthenware.sensors import PROFILES, SENSORS, CatalogProfile, is_of_mode, sensor_of

OnReject = Callable[[str, str, str], None]
"""Called with the id, the reason code and the message of each item that cannot be used."""

_EVERYWHERE: Final[Box] = (-180.0, -90.0, 180.0, 90.0)


class Source(ABC):
    """A catalog: each of its items is read once, and rejected once.

    Attributes:
        profile: What is known about it.
        seen: Collection and id of every item looked at, usable or not.
        ignored: Number of items that fill no sensor, or were not asked for.
    """

    def __init__(self, profile: CatalogProfile, spec: QuerySpec, reject: OnReject) -> None:
        self.profile = profile
        self.seen: set[tuple[str, str]] = set()
        self.ignored = 0
        self._spec = spec
        self._reject = reject
        self._bad: set[tuple[str, str]] = set()

    def collections(self, sensor: str) -> tuple[str, ...]:
        """Return the collections that may fill a sensor, the preferred ones first, or the one that was asked for."""
        asked = self._spec.chosen_collections.get(sensor)
        known = SENSORS[sensor].collections.get(self.profile.name, ())
        return (asked,) if asked else tuple(one.id for one in known)

    def base(self) -> list[SceneItem]:
        """Return the usable items of the base sensor, of any cloud cover where the catalog cannot filter."""
        spec, sensor = self._spec, self._spec.base.id
        return self.find(sensor, self.collections(sensor), parse_bbox(spec.bbox), parse_interval(spec.datetime))

    @abstractmethod
    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        """Return the usable items of a sensor that touch the boxes and lie in the interval."""

    def _read(self, features: Iterable[Any], base: str, fills: Callable[[Any], str | None]) -> list[SceneItem]:
        """Read what was not ignored: features that fill a wanted sensor, and are of its instrument and mode."""
        found: dict[tuple[str, str, str], SceneItem] = {}
        for position, raw in enumerate(features):
            sensor = fills(raw)
            told = isinstance(raw, dict) and isinstance(raw.get("properties"), dict)
            if sensor not in self._spec.sensors or (told and not is_of_mode(raw, sensor)):
                self.ignored += 1
                continue
            named = isinstance(raw, dict) and isinstance(raw.get("id"), str) and raw["id"]
            key = (str(raw.get("collection") or ""), raw["id"]) if named else ("", f"item {position}")
            self.seen.add(key)
            try:
                item = read_item(raw, sensor, base)
            except BadItemError as error:
                if key not in self._bad:
                    self._bad.add(key)
                    self._reject(key[1], error.reason, str(error))
            else:
                found.setdefault((sensor, item.collection, item.id), item)
        return list(found.values())


class ApiSource(Source):
    """A STAC API that is searched."""

    def __init__(self, spec: QuerySpec, reject: OnReject, on_page: Callable[[int], None]) -> None:
        self._api = StacApi(spec.catalog)
        super().__init__(self._api.profile, spec, reject)
        self._on_page = on_page

    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        limits: tuple[Any, ...] = ()
        if sensor == self._spec.base.id:
            # A known catalog's collections overlap: its first is the one to take. An unknown one has at most one.
            collections = collections[: None if self.profile.name == "generic" else 1]
            limits = self._spec.max_cloud, self._spec.max_items, self._on_page
        raw = []
        for one in boxes if collections else ():
            raw += self._api.search(collections, one, interval, *limits)
        asked = (*collections, None)  # some servers answer with more than was asked for

        def fills(feature: Any) -> str | None:
            return sensor if not isinstance(feature, dict) or feature.get("collection") in asked else None

        return self._read(raw, f"{self._api.url}/", fills)


class FileSource(Source):
    """An ItemCollection file, read once."""

    def __init__(self, spec: QuerySpec, reject: OnReject) -> None:
        super().__init__(PROFILES["generic"], spec, reject)
        uri = storage.normalise(spec.catalog)
        asked = {collection: sensor for sensor, collection in spec.chosen_collections.items()}

        def fills(feature: Any) -> str | None:
            if not isinstance(feature, dict) or not isinstance(feature.get("assets"), dict):
                return spec.base.id  # what an item lacks is found when it is read
            return asked.get(str(feature.get("collection"))) or sensor_of(feature)

        self._items = self._read(read_items(uri), uri, fills)

    def collections(self, sensor: str) -> tuple[str, ...]:
        there = {item.collection for item in self._items if item.sensor == sensor}
        return tuple(name for name in super().collections(sensor) if name in there)

    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        areas = [box(*one) for one in boxes or (_EVERYWHERE,)]
        return [
            item
            for item in self._items
            if item.sensor == sensor
            and item.collection in collections
            and _inside(item.datetime, interval)
            and any(item.geometry.intersects(area) for area in areas)
        ]


def _inside(moment: datetime, interval: Interval) -> bool:
    first, last = interval
    return (first is None or first <= moment) and (last is None or moment <= last)


def open_source(spec: QuerySpec, reject: OnReject, on_page: Callable[[int], None]) -> Source:
    """Open the catalog of a query; ``on_page`` is called with the number of items so far while an API answers."""
    return FileSource(spec, reject) if is_file(spec.catalog) else ApiSource(spec, reject, on_page)
