"""Reading a chip store: chips in batches, one chip, the index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import _arrays
from earthenware.chips._digest import chip_digest, combine, row_digest
from earthenware.chips._document import INDEX_FILE, STORE_FILE, BandStatistics, StoreDocument
from earthenware.chips._index import column, index_schema
from earthenware.chips._pixels import Failure, PixelReader, Wanted
from earthenware.chips._shards import ShardedArray, Some
from earthenware.chips._store import part_uri
from earthenware.errors import EarthenwareError
from earthenware.sensors import Mask

_REMEDY = "Remove the output and build it again; 'ChipStore.verify' lists every damaged part."
_BLOCK = 2**21
"""Pixels that are verified at once, in each band."""


class ChipArrays(NamedTuple):
    """One sensor of many chips.

    Attributes:
        pixels: Stored values `[chip, band, y, x]`; the layout's nodata everywhere in a chip that lacks the sensor.
        mask: Flags `[chip, y, x]`; ``Mask.NODATA`` everywhere in such a chip.
    """

    pixels: NDArray[np.int16]
    mask: NDArray[np.uint8]


class ChipStore:
    """A chip store, opened for reading.

    Chips are numbered 0 to len(store) - 1 in the order of their ids. What was read of indexes is kept in this process,
    but no file stays open; a pickled store carries its document, so it is cheap to send to a worker.

    Attributes:
        uri: Where the store lies.
        document: What ``store.json`` says.
        sensors: Sensor id -> :class:`SensorLayout`, in the store's order.
    """

    def __init__(self, uri: str, document: StoreDocument) -> None:
        self.uri = storage.normalise(uri)
        self.document = document
        self.sensors = document.sensors
        self._parts = [part_uri(self.uri, part.path) for part in document.parts]
        self._pixels = PixelReader(self._open_array, lambda part: storage.is_local(self._parts[part]))
        self._index: pa.Table | None = None
        self._places: NDArray[np.int64] | None = None
        self._presence: dict[str, NDArray[np.bool_]] = {}

    @classmethod
    def open(cls, uri: str) -> ChipStore:
        """Open the store at ``uri``.

        Raises:
            EarthenwareError: ``NOT_A_CHIP_STORE``, ``STORE_TOO_NEW``, or what the storage says.
        """
        return cls(uri, StoreDocument.read(uri))

    def __reduce__(self) -> tuple[Any, ...]:
        # The index is left behind: a worker needs places and presence only, a few bytes per chip.
        return type(self), (self.uri, self.document), {"_places": self._places, "_presence": self._presence}

    def __len__(self) -> int:
        return self.document.chips

    @property
    def chip_size(self) -> int:
        """Edge of a chip in pixels."""
        return self.document.chip_size

    @property
    def gsd(self) -> float:
        """Ground sampling distance in metres."""
        return self.document.gsd

    @property
    def statistics(self) -> Mapping[str, Mapping[str, BandStatistics]]:
        """Sensor -> band -> mean, std (physical units) and count of the training split's usable pixels."""
        return self.document.statistics

    @property
    def content_digest(self) -> str:
        """Digest of all chips, independent of parts and attempts."""
        return self.document.content_digest

    @property
    def index(self) -> pa.Table:
        """The index of all chips, ordered by chip id; the columns are those of :func:`index_schema`."""
        if self._index is None:
            self._load()
        assert self._index is not None
        return self._index

    def read_batch(
        self,
        sensors: Sequence[str],
        indices: Sequence[int] | NDArray[np.int64],
        *,
        bands: Mapping[str, Sequence[str]] | None = None,
        out: Mapping[str, ChipArrays] | None = None,
        damaged: Callable[[int, EarthenwareError], None] | None = None,
    ) -> dict[str, ChipArrays]:
        """Read many chips at once: on threads, and from an object store in one round of concurrent requests.

        Args:
            sensors: Ids of the sensors wanted.
            indices: Chip numbers, in the order wanted.
            bands: Sensor id -> names of the bands wanted, in the order wanted; all bands of a sensor left out.
            out: Sensor id -> arrays to fill, in which the pixels of one chip are contiguous; new ones where left out.
            damaged: Called with a place in ``indices`` and what is wrong there, once per chip, in which case what
                stands at the place is undefined; None raises instead.

        Returns:
            Sensor id -> its pixels and masks, in the order of ``indices``.

        Raises:
            EarthenwareError: ``UNKNOWN_SENSOR``, ``UNKNOWN_BAND``; ``CHIPS_CORRUPT`` naming the part and chip.
            IndexError: There is no such chip.
        """
        chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
        found = {sensor: self._arrays_for(sensor, len(chosen), bands or {}, out or {}) for sensor in sensors}
        if len(chosen) and not -len(self) <= chosen.min() <= chosen.max() < len(self):
            raise IndexError(f"chips {chosen.min()} to {chosen.max()} of {len(self)}")
        if self._places is None:
            self._load()
        assert self._places is not None
        parts, positions = self._places[chosen].T
        wanted: list[Wanted] = []
        for sensor, (pixels, mask) in found.items():
            layout, present = self.sensors[sensor], self._presence[sensor][chosen]
            if not present.all():
                pixels[~present] = layout.nodata
                mask[~present] = Mask.NODATA
            named = (bands or {}).get(sensor)
            some = None if named is None else Some(len(layout.bands), [layout.bands.index(name) for name in named])
            for part in np.unique(parts[present]).tolist():
                rows = np.flatnonzero(present & (parts == part))
                places = list(zip(positions[rows].tolist(), rows.tolist(), strict=True))
                wanted.append(Wanted((part, sensor, _arrays.PIXEL), places, pixels, some))
                wanted.append(Wanted((part, sensor, _arrays.MASK), places, mask))
        self._report(self._pixels.read(wanted), damaged)
        return found

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
        pixels, mask = self.read_batch([sensor], [i])[sensor]
        return self.sensors[sensor].decode(pixels[0]), mask[0]

    def read_stored(self, sensor: str, i: int) -> NDArray[np.int16]:
        """Read one sensor of one chip as stored, [band, y, x]; arguments and errors as in :meth:`read`."""
        pixels, _ = self.read_batch([sensor], [i])[sensor]
        stored: NDArray[np.int16] = pixels[0]
        return stored

    def read_mask(self, sensor: str, i: int) -> NDArray[np.uint8]:
        """Read the flags of one sensor of one chip, [y, x]; arguments and errors as in :meth:`read`."""
        _, mask = self.read_batch([sensor], [i])[sensor]
        flags: NDArray[np.uint8] = mask[0]
        return flags

    def present(self, sensor: str) -> NDArray[np.bool_]:
        """Return for each chip whether it has the sensor, [chip]."""
        self._known(sensor)
        if self._places is None:
            self._load()
        return self._presence[sensor]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the index as an array, [chip]."""
        return np.asarray(self.index[name].to_numpy(zero_copy_only=False))

    def cloud_fraction(self) -> NDArray[np.float64]:
        """Return the largest cloud fraction over each chip's optical sensors, 0 to 1, [chip]; NaN where unknown."""
        names = [column(name, "cloud_fraction") for name, layout in self.sensors.items() if layout.kind == "optical"]
        known = [self.index[name].to_numpy(zero_copy_only=False) for name in names if name in self.index.schema.names]
        fractions = [np.full(len(self), np.nan), *(np.asarray(one, np.float64) for one in known)]
        return np.asarray(np.fmax.reduce(fractions))

    @property
    def chip_bytes(self) -> int:
        """Size of a chip with all sensors, unpacked."""
        return sum(2 * len(layout.bands) + 1 for layout in self.sensors.values()) * self.chip_size**2

    @property
    def parts(self) -> dict[str, int]:
        """URI of each part -> its chips."""
        return {uri: part.chips for uri, part in zip(self._parts, self.document.parts, strict=True)}

    def verify(
        self, *, known: Collection[str] = (), progress: Callable[[int], object] = lambda _: None
    ) -> Iterator[str]:
        """Read everything and yield one sentence per defect; nothing comes when the store is whole.

        Of ``known`` parts no pixels are read; ``progress`` is told how many bytes were read since, unpacked.
        """
        total: list[str] = []
        for number, entry in enumerate(self.document.parts):
            part = storage.redact(self._parts[number])
            try:
                table = self._part_index(number)
            except EarthenwareError as error:
                yield error.message
                continue
            rows = table.to_pylist()
            digest = combine(row_digest(row) for row in rows)
            total.append(digest)
            if digest != entry.digest:
                yield f"Part '{part}': its index does not match the digest in {STORE_FILE}."
            if not self._arrays_described(number):
                yield f"Part '{part}' is damaged: a zarr.json in it is missing or not what was written."
                continue
            size = max(1, _BLOCK // self.chip_size**2)
            for start in range(0, 0 if self._parts[number] in known else len(rows), size):
                yield from self._verify_pixels(number, start, rows[start : start + size])
                progress(len(rows[start : start + size]) * self.chip_bytes)
        if len(total) == len(self._parts) and combine(total) != self.content_digest:
            yield f"'{storage.redact(self.uri)}/{STORE_FILE}': the content digest does not match the parts."

    def _arrays_described(self, part: int) -> bool:
        """Return whether other readers find a part's arrays described as they were."""
        try:
            found = _arrays.documents_digest(self._parts[part], self.sensors)
        except FileNotFoundError:
            return False
        return found == self.document.parts[part].arrays_sha256

    def _verify_pixels(self, part: int, start: int, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Yield what is wrong with the pixels of chips that lie one behind another in a part."""
        arrays = {sensor: self._arrays_for(sensor, len(rows), {}, {}) for sensor in self.sensors}
        wanted: list[Wanted] = []
        for sensor, pair in arrays.items():
            places = [(start + row, row) for row, stated in enumerate(rows) if stated[column(sensor, "present")]]
            wanted.append(Wanted((part, sensor, _arrays.PIXEL), places, pair.pixels))
            wanted.append(Wanted((part, sensor, _arrays.MASK), places, pair.mask))
        broken: dict[int, EarthenwareError] = {}
        self._report(self._pixels.read(wanted), broken.__setitem__)
        for row, stated in enumerate(rows):
            has = [sensor for sensor in self.sensors if stated[column(sensor, "present")]]
            if row in broken:
                yield broken[row].message
            elif stated["digest"] != chip_digest({s: (arrays[s].pixels[row], arrays[s].mask[row]) for s in has}):
                where = storage.redact(self._parts[part])
                yield f"Part '{where}', chip '{stated['chip_id']}': its pixels do not match their digest."

    def _arrays_for(
        self, sensor: str, count: int, bands: Mapping[str, Sequence[str]], out: Mapping[str, ChipArrays]
    ) -> ChipArrays:
        """Return the arrays to fill with ``count`` chips of a sensor."""
        self._known(sensor)
        layout, size = self.sensors[sensor], self.chip_size
        unknown = [band for band in bands.get(sensor, ()) if band not in layout.bands]
        if unknown:
            message = f"The chip store '{storage.redact(self.uri)}' has no band '{unknown[0]}' of '{sensor}'."
            raise EarthenwareError("UNKNOWN_BAND", message, f"It has {', '.join(layout.bands)}.")
        shape = (count, len(bands.get(sensor, layout.bands)), size, size)
        if sensor not in out:
            return ChipArrays(np.empty(shape, np.int16), np.empty((count, size, size), np.uint8))
        pixels, mask = out[sensor]
        if pixels.shape != shape or mask.shape != (count, size, size):
            raise ValueError(f"{sensor}: {pixels.shape} and {mask.shape} for {shape}")
        return out[sensor]

    def _known(self, sensor: str) -> None:
        if sensor not in self.sensors:
            raise EarthenwareError(
                "UNKNOWN_SENSOR",
                f"The chip store '{storage.redact(self.uri)}' has no sensor '{sensor}'.",
                f"It has {', '.join(self.sensors)}.",
            )

    def _open_array(self, key: tuple[int, str, str]) -> ShardedArray:
        part, sensor, name = key
        chips = self.document.parts[part].chips
        return _arrays.sharded_array(self._parts[part], self.sensors[sensor], name, chips, self.chip_size)

    def _report(self, failures: Sequence[Failure], damaged: Callable[[int, EarthenwareError], None] | None) -> None:
        """Tell of the first failure of each chip, or raise the first of all."""
        seen: set[int] = set()
        for (part, sensor, name), position, row, why in sorted(failures, key=lambda one: one.row):
            where = storage.redact(self._parts[part])
            what = f"chip {position} of {sensor}/{name} cannot be read ({why})"
            error = EarthenwareError("CHIPS_CORRUPT", f"Part '{where}' is damaged: {what}.", _REMEDY)
            if damaged is None:
                raise error
            if row not in seen:
                seen.add(row)
                damaged(row, error)

    def _part_index(self, part: int) -> pa.Table:
        uri = storage.join(self._parts[part], INDEX_FILE)
        where = storage.redact(self._parts[part])
        try:
            data = storage.read_bytes(uri)
            table = storage.parse_table(data, uri)
        except FileNotFoundError as error:
            message = f"Part '{where}' is damaged: {INDEX_FILE} is missing."
            raise EarthenwareError("CHIPS_CORRUPT", message, _REMEDY) from error
        except EarthenwareError as error:
            if error.code != "NOT_PARQUET":
                raise
            raise EarthenwareError("CHIPS_CORRUPT", f"Part '{where}' is damaged: {error.message}", _REMEDY) from error
        expected = self.document.parts[part].chips
        schema = index_schema(list(self.sensors))
        # In the order of the format, else a table of many parts could not be joined.
        wrong = [
            field
            for field in schema
            if field.name not in table.schema.names or table.schema.field(field.name).type != field.type
        ]
        if wrong or table.schema.names != schema.names:
            what = f"no column '{wrong[0].name}' of {wrong[0].type}" if wrong else "other columns than the format names"
            raise EarthenwareError("CHIPS_CORRUPT", f"Part '{where}' is damaged: {INDEX_FILE} has {what}.", _REMEDY)
        if len(table) != expected:
            message = f"Part '{where}' is damaged: {INDEX_FILE} holds {len(table)} chips, not the {expected} stated."
            raise EarthenwareError("CHIPS_CORRUPT", message, _REMEDY)
        if hashlib.sha256(data).hexdigest() != self.document.parts[part].index_sha256:
            message = f"Part '{where}' is damaged: its index does not match the digest in {STORE_FILE}."
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
