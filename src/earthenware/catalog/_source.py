"""Where items come from: an API that is searched, or a file that is filtered; both answer the same questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from shapely.geometry import box

from earthenware import storage
from earthenware.catalog._api import StacApi
from earthenware.catalog._file import is_file, read_items
from earthenware.catalog._item import BadItemError, SceneItem, read_item
from earthenware.catalog._spec import Box, Interval, QuerySpec
from earthenware.sensors import PROFILES, SENSORS, CatalogProfile, is_of_mode, sensor_of

OnReject = Callable[[str, str, str], None]
"""Called with the id, the reason code and the message of each item that cannot be used."""

_EVERYWHERE: Final[Box] = (-180.0, -90.0, 180.0, 90.0)


class Source(Protocol):
    """A catalog."""

    profile: CatalogProfile
    seen: set[tuple[str, str]]
    """Collection and id of every item looked at, usable or not."""
    ignored: int
    """Number of items that fill no sensor, or were not asked for."""

    def collections(self, sensor: str) -> tuple[str, ...]:
        """Return the collections that may fill a sensor, the preferred ones first."""
        ...

    def base(self, boxes: Sequence[Box], interval: Interval, max_cloud: float, max_items: int) -> list[SceneItem]:
        """Return the usable items of the base sensor, at most so cloudy (0 to 1) where the catalog can filter."""
        ...

    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        """Return the usable items of another sensor."""
        ...


class _Reader:
    """What both sources share: each item is read once, and rejected once."""

    def __init__(self, profile: CatalogProfile, spec: QuerySpec, reject: OnReject) -> None:
        self.profile = profile
        self._spec = spec
        self.seen: set[tuple[str, str]] = set()
        self.ignored = 0
        self._reject = reject
        self._bad: set[tuple[str, str]] = set()

    def known(self, sensor: str) -> tuple[str, ...]:
        """Return the collections that may fill a sensor, the preferred ones first, or the one that was asked for."""
        asked = self._spec.chosen_collections.get(sensor)
        known = SENSORS[sensor].collections.get(self.profile.name, ())
        return (asked,) if asked else tuple(one.id for one in known)

    def read(self, raw: Any, sensor: str, base: str, position: int = 0) -> SceneItem | None:
        """Read an item; None where it cannot be used, or is of another instrument or mode than the sensor's."""
        if isinstance(raw, dict) and isinstance(raw.get("properties"), dict) and not is_of_mode(raw, sensor):
            self.ignored += 1
            return None
        key = _key(raw, position)
        self.seen.add(key)
        try:
            return read_item(raw, sensor, base)
        except BadItemError as error:
            if key not in self._bad:
                self._bad.add(key)
                self._reject(key[1], error.reason, str(error))
            return None


def _key(raw: Any, position: int) -> tuple[str, str]:
    if isinstance(raw, dict) and isinstance(raw.get("id"), str) and raw["id"]:
        return str(raw.get("collection") or ""), raw["id"]
    return "", f"item {position}"


class ApiSource(_Reader):
    """A STAC API."""

    def __init__(self, spec: QuerySpec, reject: OnReject, on_page: Callable[[int], None]) -> None:
        """Open the API; see :class:`StacApi` for what may be raised."""
        self._api = StacApi(spec.catalog)
        super().__init__(self._api.profile, spec, reject)
        self._on_page = on_page

    def collections(self, sensor: str) -> tuple[str, ...]:
        """Return the collections that may fill a sensor, the preferred ones first."""
        return self.known(sensor)

    def base(self, boxes: Sequence[Box], interval: Interval, max_cloud: float, max_items: int) -> list[SceneItem]:
        """Return the usable items of the base sensor, at most so cloudy (0 to 1) where the catalog can filter."""
        sensor = self._spec.base.id
        # A known catalog's collections overlap: its first is the one to take. An unknown one has at most one of them.
        names = self.known(sensor) if self.profile.name == "generic" else self.known(sensor)[:1]
        raw = []
        for one in boxes if names else ():
            raw += self._api.search(names, one, interval, max_cloud, max_items, self._on_page)
        return self._read_all(raw, sensor, names)

    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        """Return the usable items of another sensor."""
        raw = []
        for one in boxes:
            raw += self._api.search(collections, one, interval)
        return self._read_all(raw, sensor, collections)

    def _read_all(self, raw: Sequence[Any], sensor: str, asked: Sequence[str]) -> list[SceneItem]:
        found: dict[tuple[str, str], SceneItem] = {}
        for position, one in enumerate(raw):
            if isinstance(one, dict) and one.get("collection") not in {*asked, None}:
                self.ignored += 1  # some servers answer with more than was asked for
                continue
            item = self.read(one, sensor, f"{self._api.url}/", position)
            if item is not None:
                found.setdefault((item.collection, item.id), item)
        return list(found.values())


class FileSource(_Reader):
    """An ItemCollection file, read once."""

    def __init__(self, spec: QuerySpec, reject: OnReject) -> None:
        """Read the file; see :func:`read_items` for what may be raised."""
        super().__init__(PROFILES["generic"], spec, reject)
        base = storage.normalise(spec.catalog)
        asked = {collection: sensor for sensor, collection in spec.chosen_collections.items()}
        self._items: dict[str, dict[tuple[str, str], SceneItem]] = defaultdict(dict)
        for position, raw in enumerate(read_items(base)):
            readable = isinstance(raw, dict) and isinstance(raw.get("assets"), dict)
            # What an item lacks is found when it is read.
            sensor = asked.get(str(raw.get("collection"))) or sensor_of(raw) if readable else spec.base.id
            if sensor not in spec.sensors:
                self.ignored += 1
                continue
            item = self.read(raw, sensor, base, position)
            if item is not None:
                self._items[sensor].setdefault((item.collection, item.id), item)

    def collections(self, sensor: str) -> tuple[str, ...]:
        """Return the collections of the file that fill a sensor, the preferred ones first."""
        there = {item.collection for item in self._items[sensor].values()}
        return tuple(name for name in self.known(sensor) if name in there)

    def base(self, boxes: Sequence[Box], interval: Interval, max_cloud: float, max_items: int) -> list[SceneItem]:
        """Return the usable items of the base sensor, of every collection."""
        sensor = self._spec.base.id
        return self.find(sensor, self.collections(sensor), boxes, interval)

    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        """Return the items of a sensor that touch the boxes and lie in the interval."""
        areas = [box(*one) for one in boxes or (_EVERYWHERE,)]
        return [
            item
            for item in self._items[sensor].values()
            if item.collection in collections
            and _inside(item.datetime, interval)
            and any(item.geometry.intersects(area) for area in areas)
        ]


def _inside(moment: datetime, interval: Interval) -> bool:
    first, last = interval
    return (first is None or first <= moment) and (last is None or moment <= last)


def open_source(spec: QuerySpec, reject: OnReject, on_page: Callable[[int], None]) -> Source:
    """Open the catalog of a query, be it an API or a file.

    Args:
        spec: What is looked for, and where.
        reject: Called for each item that cannot be used.
        on_page: Called with the number of items so far while an API answers.
    """
    return FileSource(spec, reject) if is_file(spec.catalog) else ApiSource(spec, reject, on_page)
