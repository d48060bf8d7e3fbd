"""The chip store's document, ``store.json``: what it says, its version and how an older one is read.

Migration rule: the version is raised whenever a reader of the previous version would misread a new store. Whoever
raises it adds to :data:`MIGRATIONS` the function that turns a document of the previous version into the new one; old
stores then stay readable for ever, as each document passes through all functions from its own version on. Parts on
disk are never rewritten. A store newer than the software is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from earthenware import sensors, storage
from earthenware.errors import EarthenwareError, invalid_fields
from earthenware.sensors import NODATA
from earthenware.steps import checksum, is_unchanged, read_artifact

FORMAT: Final = "earthenware-chips"
FORMAT_VERSION = 1
STORE_FILE = "store.json"
INDEX_FILE = "chips.parquet"
PIXELS = "pixels.zarr"

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Format version -> the function that turns its documents into those of the next version. Version 1 is the first."""


class SensorLayout(BaseModel):
    """The stored form of one sensor: physical value = stored * scale + offset.

    The store says it itself, so that a reader needs no table of sensors.

    Attributes:
        id: The sensor's id, which is its STAC collection id.
        bands: Band names in stored order.
        kind: "optical", "radar", "elevation" or "label".
        scale: Physical units per stored unit.
        offset: Physical value of a stored 0.
        nodata: Stored value that means no measurement.
        dtype: NumPy name of the stored type.
        wavelengths_nm: Centre wavelength of each band in nanometres; None where a band has none.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    bands: tuple[str, ...]
    kind: str
    scale: float
    offset: float
    nodata: Literal[-32768] = NODATA
    dtype: Literal["int16"] = "int16"
    wavelengths_nm: tuple[float | None, ...] = ()

    @classmethod
    def of(cls, sensor_id: str) -> SensorLayout:
        """Return the layout of a sensor of the sensor table.

        Raises:
            EarthenwareError: ``UNKNOWN_SENSOR``.
        """
        sensor = sensors.sensor(sensor_id)
        return cls(
            id=sensor.id,
            bands=tuple(band.name for band in sensor.bands),
            kind=sensor.kind,
            scale=sensor.scale,
            offset=sensor.offset,
            wavelengths_nm=tuple(band.wavelength_nm for band in sensor.bands),
        )

    def decode(self, stored: NDArray[np.int16]) -> NDArray[np.float32]:
        """Turn stored pixels (any shape) into physical units, NaN where there is no measurement."""
        return sensors.decode(stored, self.scale, self.offset)


class PartEntry(BaseModel):
    """One part of a store.

    Attributes:
        path: Where it lies: relative to the store, or an absolute URI.
        chips: Number of chips.
        digest: The part's digest.
        sums: Exact band sums: sensor -> band -> [count, sum, sum of squares] of stored values.
        index_sha256: Digest of its index's file.
        arrays_sha256: Digest of what describes its arrays to other readers.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    chips: int
    digest: str
    sums: dict[str, dict[str, tuple[int, int, int]]]
    index_sha256: str
    arrays_sha256: str


class BandStatistics(BaseModel):
    """The training split's usable pixels of one band.

    Attributes:
        mean: In physical units; None where no pixel was usable.
        std: That of the population (divided by the count), in physical units; None likewise.
        count: Number of pixels.
    """

    model_config = ConfigDict(frozen=True)

    mean: float | None = None
    std: float | None = None
    count: int = 0


class StoreDocument(BaseModel):
    """What ``store.json`` holds.

    Attributes:
        format: Says that this is a chip store.
        format_version: Version of this document and of the parts.
        chip_size: Edge of a chip in pixels.
        gsd: Ground sampling distance in metres.
        sensors: Sensor id -> layout, in the store's order.
        parts: The parts, by path.
        statistics: Sensor -> band -> statistics; none of labels.
        chips: Number of chips.
        content_digest: Digest of all chips, independent of parts and attempts.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal["earthenware-chips"] = FORMAT
    format_version: int = FORMAT_VERSION
    chip_size: int
    gsd: float
    sensors: dict[str, SensorLayout]
    parts: tuple[PartEntry, ...]
    statistics: dict[str, dict[str, BandStatistics]]
    chips: int
    content_digest: str

    @model_validator(mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        """Put sensors into the store's order: JSON writers sort keys, so each layout on disk says its position."""
        sensors = value.get("sensors") if isinstance(value, dict) else None
        if not isinstance(sensors, dict) or not all(isinstance(layout, dict) for layout in sensors.values()):
            return value
        ordered = sorted(sensors, key=lambda sensor: int(sensors[sensor].get("position", 0)))
        return {**value, "sensors": {sensor: {**sensors[sensor], "id": sensor} for sensor in ordered}}

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``store.json`` holds: with a checksum of all else in it."""
        value = self.model_dump(mode="json")
        for position, layout in enumerate(value["sensors"].values()):
            del layout["id"]
            layout["position"] = position
        return {**value, "checksum": checksum(value)}

    def write(self, uri: str) -> None:
        """Write the document of the store at ``uri``, whose parts are in place already."""
        storage.write_json(storage.join(uri, STORE_FILE), self.to_json())

    @classmethod
    def read(cls, uri: str) -> Self:
        """Read and check a store's document.

        Raises:
            EarthenwareError: ``NOT_A_CHIP_STORE``, ``STORE_TOO_NEW``, ``OUTPUT_DAMAGED`` or ``CHIPS_CORRUPT`` where it
                is not what was written, or what the storage says.
        """
        try:
            found = storage.parse_json(read_artifact(uri, STORE_FILE), storage.join(uri, STORE_FILE))
        except FileNotFoundError as error:
            raise EarthenwareError(
                "NOT_A_CHIP_STORE",
                f"'{storage.redact(uri)}' holds no chip store: {STORE_FILE} is missing.",
                "Give the output of 'earthenware build', after it has finished.",
            ) from error
        document = migrate(found if isinstance(found, dict) else {}, uri)
        if not is_unchanged(found):
            message = f"'{storage.redact(uri)}/{STORE_FILE}' is damaged: its checksum does not match."
            raise EarthenwareError("CHIPS_CORRUPT", message, "Build or merge the store again.")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            source = f"'{storage.redact(uri)}/{STORE_FILE}'"
            message = invalid_fields(error, source)
            raise EarthenwareError("NOT_A_CHIP_STORE", message, "Build or merge the store again.") from error


def migrate(
    document: Mapping[str, Any],
    where: str,
    *,
    version: int = FORMAT_VERSION,
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = MIGRATIONS,
) -> dict[str, Any]:
    """Bring the document of the store at ``where`` to a format version; errors as of :meth:`StoreDocument.read`."""
    found = document.get("format_version")
    if document.get("format") != FORMAT or not isinstance(found, int) or found < 1:
        raise EarthenwareError(
            "NOT_A_CHIP_STORE",
            f"'{storage.redact(where)}' is not a chip store: its {STORE_FILE} says format {document.get('format')!r}.",
            "Give the output of 'earthenware build'.",
        )
    if found > version:
        raise EarthenwareError(
            "STORE_TOO_NEW",
            f"The chip store '{storage.redact(where)}' has format version {found}; this version reads up to {version}.",
            "Update Earthenware, or build the store again with this version.",
        )
    current = dict(document)
    for step in range(found, version):
        current = {**migrations[step](current), "format_version": step + 1}
    return current
