"""The table of sensors: what the modules of ``instruments`` say, found by looking."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, get_args

from earthenware.errors import EarthenwareError
from earthenware.sensors import instruments
from earthenware.sensors._sensor import Collection, Kind, Role, Sensor


def _found() -> Iterator[Sensor]:
    for module in pkgutil.iter_modules(instruments.__path__):
        if not module.name.startswith("_"):
            yield import_module(f"{instruments.__name__}.{module.name}").SENSOR


def _order(sensor: Sensor) -> tuple[int, int, str]:
    """Roles and kinds come in the order in which their types list them."""
    return get_args(Role).index(sensor.role), get_args(Kind).index(sensor.kind), sensor.id


SENSORS: Final[Mapping[str, Sensor]] = MappingProxyType({one.id: one for one in sorted(_found(), key=_order)})
"""Every sensor by its id: those that can be a base first, labels last."""


def sensor(sensor_id: str) -> Sensor:
    """Return the sensor of this id.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``; there is no such sensor.
    """
    try:
        return SENSORS[sensor_id]
    except KeyError:
        raise EarthenwareError(
            "UNKNOWN_SENSOR", f"There is no sensor {sensor_id!r}.", f"Sensors: {', '.join(SENSORS)}."
        ) from None


def collection_in(catalog: str, collection_id: str) -> tuple[Sensor, Collection] | None:
    """Return the sensor that a collection of a catalog (its profile's name) fills, and the collection, or None."""
    for one in SENSORS.values():
        for collection in one.collections.get(catalog, ()):
            if collection.id == collection_id:
                return one, collection
    return None
