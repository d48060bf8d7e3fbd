"""Where items come from: an API that is searched, or a file that is filtered; both answer the same questions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from earthenware import storage
from earthenware.catalog._api import StacApi, too_many_items
from earthenware.catalog._file import is_file, read_items
from earthenware.catalog._item import BadItemError, SceneItem, check_values, judged, read_item
from earthenware.catalog._spec import Box, Interval, QuerySpec, parse_bbox, parse_interval
from earthenware.sensors import PROFILES, SENSORS, CatalogProfile, is_of_mode, sensor_of

OnReject = Callable[[str, str, str], None]
"""Called with the id, the reason code and the message of each item that cannot be used."""

_MAPPINGS: Final = ("properties", "assets")


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
            told = raw if isinstance(raw, dict) else {}
            of, name = (told[key] if isinstance(told.get(key), str) else "" for key in ("collection", "id"))
            key = (of, name) if name else ("", f"item {position}")
            try:
                with judged():
                    check_values(raw)
                    sensor = fills(raw)
                    if sensor not in self._spec.sensors or not is_of_mode(told, sensor):
                        self.ignored += 1
                        continue
                    item = read_item(raw, sensor, base)
            except BadItemError as error:
                if key not in self._bad:
                    self._bad.add(key)
                    self._reject(key[1].encode(errors="backslashreplace").decode(), error.reason, str(error))
            else:
                if self._keeps(item):
                    found.setdefault((sensor, item.collection, item.id), item)
            self.seen.add(key)
        return list(found.values())

    def _keeps(self, item: SceneItem) -> bool:
        """Return whether a usable item may be asked for."""
        return True


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
    """An ItemCollection file, read once, item by item; of the base sensor what was asked for is kept."""

    def __init__(self, spec: QuerySpec, reject: OnReject) -> None:
        super().__init__(PROFILES["generic"], spec, reject)
        uri = storage.normalise(spec.catalog)
        asked = {collection: sensor for sensor, collection in spec.chosen_collections.items()}
        self._there: dict[str, set[str]] = defaultdict(set)
        self._kept: Counter[str] = Counter()
        self._areas = [box(*one) for one in parse_bbox(spec.bbox)]
        self._interval = parse_interval(spec.datetime)

        def fills(feature: Any) -> str | None:
            if not isinstance(feature, dict) or not all(isinstance(feature.get(name), dict) for name in _MAPPINGS):
                return spec.base.id  # what an item lacks is found when it is read
            return asked.get(str(feature.get("collection"))) or sensor_of(feature)

        self._items = self._read(read_items(uri), uri, fills)

    def _keeps(self, item: SceneItem) -> bool:
        self._there[item.sensor].add(item.collection)
        if item.sensor == self._spec.base.id and not _lies(item, self._areas, self._interval):
            return False
        self._kept[item.sensor] += 1
        if self._kept[item.sensor] > self._spec.max_items:
            raise too_many_items(storage.redact(self._spec.catalog), self._spec.max_items, item.collection)
        return True

    def collections(self, sensor: str) -> tuple[str, ...]:
        return tuple(name for name in super().collections(sensor) if name in self._there[sensor])

    def find(
        self, sensor: str, collections: Sequence[str], boxes: Sequence[Box], interval: Interval
    ) -> list[SceneItem]:
        areas = [box(*one) for one in boxes]
        return [
            item
            for item in self._items
            if item.sensor == sensor and item.collection in collections and _lies(item, areas, interval)
        ]


def _lies(item: SceneItem, areas: Sequence[BaseGeometry], interval: Interval) -> bool:
    """Return whether an item lies in an interval, and touches one of some areas, or anything where there are none."""
    first, last = interval
    if (first is not None and item.datetime < first) or (last is not None and last < item.datetime):
        return False
    return not areas or any(item.geometry.intersects(area) for area in areas)


def open_source(spec: QuerySpec, reject: OnReject, on_page: Callable[[int], None]) -> Source:
    """Open the catalog of a query; ``on_page`` is called with the number of items so far while an API answers."""
    return FileSource(spec, reject) if is_file(spec.catalog) else ApiSource(spec, reject, on_page)
