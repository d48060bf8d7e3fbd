"""Reading a chip store, one chip at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import _arrays
from earthenware.chips._digest import chip_digest, combine, row_digest
from earthenware.chips._format import INDEX_FILE, STORE_FILE, read_document
from earthenware.chips._index import column, index_schema
from earthenware.chips._layout import layouts_of
from earthenware.chips._mask import Mask
from earthenware.chips._store import part_uri
from earthenware.errors import EarthenwareError, first_line

_REMEDY = "Remove the output and build it again; 'ChipStore.verify' lists every damaged part."


class ChipStore:
    """A chip store, opened for reading.

    Chips are numbered 0 to len(store) - 1 in the order of their ids. Arrays are opened when first needed and stay open
    in this process; a pickled store carries its document but no open file, so it is cheap to send to a worker.

    Attributes:
        uri: Where the store lies.
        document: The parsed ``store.json``.
        sensors: Sensor id -> :class:`SensorLayout`, in the store's order.
    """

    def __init__(self, uri: str, document: dict[str, Any]) -> None:
        self.uri = storage.normalise(uri)
        self.document = document
        self.sensors = layouts_of(document)
        self._parts = [part_uri(self.uri, part["path"]) for part in document["parts"]]
        self._opened: dict[tuple[int, str, str], Any] = {}
        self._index: pa.Table | None = None
        self._places: NDArray[np.int64] | None = None
        self._presence: dict[str, NDArray[np.bool_]] = {}

    @classmethod
    def open(cls, uri: str) -> ChipStore:
        """Open the store at ``uri``.

        Raises:
            EarthenwareError: ``NOT_A_CHIP_STORE``, ``STORE_TOO_NEW``, or what the storage says.
        """
        return cls(uri, read_document(uri))

    def __reduce__(self) -> tuple[Any, ...]:
        # The index is left behind: a worker needs places and presence only, a few bytes per chip.
        return type(self), (self.uri, self.document), {"_places": self._places, "_presence": self._presence}

    def __len__(self) -> int:
        return int(self.document["chips"])

    @property
    def chip_size(self) -> int:
        """Edge of a chip in pixels."""
        return int(self.document["chip_size"])

    @property
    def gsd(self) -> float:
        """Ground sampling distance in metres."""
        return float(self.document["gsd"])

    @property
    def statistics(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Sensor -> band -> mean, std (physical units) and count of the training split's usable pixels."""
        statistics: dict[str, dict[str, dict[str, Any]]] = self.document["statistics"]
        return statistics

    @property
    def content_digest(self) -> str:
        """Digest of all chips, independent of parts and attempts."""
        return str(self.document["content_digest"])

    @property
    def index(self) -> pa.Table:
        """The index of all chips, ordered by chip id; the columns are those of :func:`index_schema`."""
        if self._index is None:
            self._load()
        assert self._index is not None
        return self._index

    def read(self, sensor: str, i: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Read one sensor of one chip in physical units.

        Args:
            sensor: Sensor id.
            i: Chip number.

        Returns:
            Values [band, y, x], NaN without a measurement (everywhere, if the chip lacks the sensor), and flags [y, x].

        Raises:
            EarthenwareError: ``UNKNOWN_SENSOR``; ``CHIPS_CORRUPT`` naming the part that is damaged.
            IndexError: There is no such chip.
        """
        mask = self.read_mask(sensor, i)
        return self.sensors[sensor].decode(self.read_stored(sensor, i)), mask

    def read_stored(self, sensor: str, i: int) -> NDArray[np.int16]:
        """Read one sensor of one chip as stored, [band, y, x]; arguments and errors as in :meth:`read`."""
        stored: NDArray[np.int16] | None = self._chip(sensor, i, _arrays.PIXEL)
        layout = self.sensors[sensor]
        if stored is None:
            return np.full((len(layout.bands), self.chip_size, self.chip_size), layout.nodata, dtype=np.int16)
        return stored

    def read_mask(self, sensor: str, i: int) -> NDArray[np.uint8]:
        """Read the flags of one sensor of one chip, [y, x]; arguments and errors as in :meth:`read`."""
        mask: NDArray[np.uint8] | None = self._chip(sensor, i, _arrays.MASK)
        if mask is None:
            return np.full((self.chip_size, self.chip_size), Mask.NODATA, dtype=np.uint8)
        return mask

    def present(self, sensor: str) -> NDArray[np.bool_]:
        """Return for each chip whether it has the sensor, [chip]."""
        self._known(sensor)
        if self._places is None:
            self._load()
        return self._presence[sensor]

    def verify(self) -> Iterator[str]:
        """Read everything and yield one sentence per defect; nothing comes when the store is whole."""
        total: list[str] = []
        for number, entry in enumerate(self.document["parts"]):
            part = storage.redact(self._parts[number])
            try:
                table = self._part_index(number)
            except EarthenwareError as error:
                yield error.message
                continue
            rows = table.to_pylist()
            digest = combine(row_digest(row) for row in rows)
            total.append(digest)
            if digest != entry["digest"]:
                yield f"Part '{part}': its index does not match the digest in {STORE_FILE}."
            for position, row in enumerate(rows):
                try:
                    found = self._digest(number, position, row)
                except EarthenwareError as error:
                    yield error.message
                    continue
                if found != row["digest"]:
                    yield f"Part '{part}', chip '{row['chip_id']}': its pixels do not match their digest."
        if len(total) == len(self._parts) and combine(total) != self.content_digest:
            yield f"'{storage.redact(self.uri)}/{STORE_FILE}': the content digest does not match the parts."

    def _digest(self, part: int, position: int, row: dict[str, Any]) -> str:
        present = [sensor for sensor in self.sensors if row[column(sensor, "present")]]
        arrays = (_arrays.PIXEL, _arrays.MASK)
        chips = {sensor: tuple(self._read(part, position, sensor, name) for name in arrays) for sensor in present}
        return chip_digest({sensor: (pixels, mask) for sensor, (pixels, mask) in chips.items()})

    def _known(self, sensor: str) -> None:
        if sensor not in self.sensors:
            raise EarthenwareError(
                "UNKNOWN_SENSOR",
                f"The chip store '{storage.redact(self.uri)}' has no sensor '{sensor}'.",
                f"It has {', '.join(self.sensors)}.",
            )

    def _chip(self, sensor: str, i: int, name: str) -> Any:
        """Return one chip of an array, or None when the chip lacks the sensor."""
        present = self.present(sensor)
        assert self._places is not None
        if not -len(present) <= i < len(present):
            raise IndexError(f"chip {i} of {len(present)}")
        if not present[i]:
            return None
        part, position = self._places[i]
        return self._read(int(part), int(position), sensor, name)

    def _read(self, part: int, position: int, sensor: str, name: str) -> Any:
        try:
            key = (part, sensor, name)
            if key not in self._opened:
                self._opened[key] = _arrays.open_array(self._parts[part], sensor, name)
            values = np.asarray(self._opened[key][position])
        except EarthenwareError:
            raise
        except Exception as error:  # Zarr, its codecs and its stores raise a dozen types for damaged files
            if isinstance(error, PermissionError) or type(error).__module__.startswith("obstore"):
                message = f"Part '{storage.redact(self._parts[part])}' cannot be reached: {first_line(error)}."
                remedy = "Check the network, the endpoint (AWS_ENDPOINT_URL) and the credentials."
                raise EarthenwareError("STORAGE_FAILED", message, remedy) from error
            raise self._corrupt(part, sensor, name, position, first_line(error)) from error
        # A shard that is gone reads as fill values; a chip that is present has at least one measured pixel.
        blank = (values & int(Mask.NODATA)) != 0 if name == _arrays.MASK else values == self.sensors[sensor].nodata
        if blank.all():
            raise self._corrupt(part, sensor, name, position, "the shard is missing")
        return values

    def _corrupt(self, part: int, sensor: str, name: str, position: int, why: str) -> EarthenwareError:
        where = storage.redact(self._parts[part])
        message = f"Part '{where}' is damaged: chip {position} of {sensor}/{name} cannot be read ({why})."
        return EarthenwareError("CHIPS_CORRUPT", message, _REMEDY)

    def _part_index(self, part: int) -> pa.Table:
        uri = storage.join(self._parts[part], INDEX_FILE)
        where = storage.redact(self._parts[part])
        try:
            table = storage.read_table(uri)
        except FileNotFoundError as error:
            message = f"Part '{where}' is damaged: {INDEX_FILE} is missing."
            raise EarthenwareError("CHIPS_CORRUPT", message, _REMEDY) from error
        except EarthenwareError as error:
            if error.code != "NOT_PARQUET":
                raise
            raise EarthenwareError("CHIPS_CORRUPT", f"Part '{where}' is damaged: {error.message}", _REMEDY) from error
        expected = self.document["parts"][part]["chips"]
        names = index_schema(list(self.sensors)).names
        if len(table) != expected or table.schema.names != names:
            message = f"Part '{where}' is damaged: {INDEX_FILE} does not hold the {expected} chips that are stated."
            raise EarthenwareError("CHIPS_CORRUPT", message, _REMEDY)
        return table.replace_schema_metadata(None)

    def _load(self) -> None:
        """Read the index of every part and remember where each chip lies."""
        schema = index_schema(list(self.sensors))
        with ThreadPoolExecutor(8) as pool:
            tables = list(pool.map(self._part_index, range(len(self._parts))))
        table = pa.concat_tables(tables) if tables else schema.empty_table()
        order = np.argsort(table["chip_id"].to_numpy(zero_copy_only=False).astype(str), kind="stable")
        parts = np.repeat(np.arange(len(tables)), [len(one) for one in tables])
        positions = np.concatenate([np.arange(len(one)) for one in tables]) if tables else np.zeros(0, dtype=np.int64)
        self._places = np.stack([parts, positions], axis=1).astype(np.int64)[order]
        self._index = table.take(pa.array(order))
        self._presence = {
            sensor: self._index[column(sensor, "present")].to_numpy(zero_copy_only=False).astype(bool)
            for sensor in self.sensors
        }
