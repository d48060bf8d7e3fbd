"""Writing one part: chips go in, whole shards and an index come out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from earthenware.chips import _arrays
from earthenware.chips._digest import chip_digest, combine, row_digest
from earthenware.chips._document import INDEX_FILE, PartEntry, SensorLayout
from earthenware.chips._index import column, index_table, with_geo_metadata
from earthenware.chips._statistics import Sums, band_sums, merge_sums
from earthenware.sensors import Mask

TRAINING_SPLIT = "train"


@dataclass(frozen=True)
class PartSummary:
    """What the store's document needs to know about a part.

    Attributes:
        chips: Number of chips.
        digest: Sum of the digests of its index rows; see :func:`earthenware.chips._digest.combine`.
        sums: Exact band sums of the training split's usable pixels: sensor -> band -> [count, sum, sum of squares].
        bytes: Size on disk.
        index_sha256: Digest of the index's file.
        arrays_sha256: Digest of what describes its arrays to other readers.
    """

    chips: int
    digest: str
    sums: Sums
    bytes: int
    index_sha256: str
    arrays_sha256: str

    def entry(self, path: str) -> PartEntry:
        """Return what the store's document says of the part, which lies at ``path``."""
        return PartEntry.model_validate({**self.to_json(), "path": path})

    def to_json(self) -> dict[str, Any]:
        """Return a mapping for a part's commit record."""
        return asdict(self)


class ChipWriter:
    """Writes one part into a local directory; memory stays at one shard per sensor.

    Used as a context manager, or :meth:`close` ends it. Without a close the directory holds no index and no part.

    Args:
        directory: The part's directory; made if missing, and must be empty.
        chip_size: Edge of a chip in pixels.
        gsd: Ground sampling distance in metres.
        sensors: Ids of the sensors of the store.
        expected: The largest number of chips that will come.
    """

    def __init__(self, directory: Path, *, chip_size: int, gsd: float, sensors: Sequence[str], expected: int) -> None:
        self._directory = directory
        self._size = chip_size
        self._gsd = gsd
        self._layouts = {sensor: SensorLayout.of(sensor) for sensor in sensors}
        self._expected = max(1, expected)
        self._shard = _arrays.shard_chips(chip_size, list(self._layouts.values()), self._expected)
        self._rows: list[dict[str, Any]] = []
        self._sums: list[Sums] = []
        self._written = 0
        self.summary: PartSummary | None = None
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ValueError(f"{directory} is not empty")
        self._arrays = {
            sensor: _arrays.create_arrays(directory, layout, self._expected, chip_size, self._shard)
            for sensor, layout in self._layouts.items()
        }
        # Memory that is not written to is not taken: a part of few chips needs little of it.
        self._buffers = {
            sensor: (
                np.empty((self._shard, len(layout.bands), chip_size, chip_size), dtype=np.int16),
                np.empty((self._shard, chip_size, chip_size), dtype=np.uint8),
            )
            for sensor, layout in self._layouts.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.summary is None:
            self.close()

    def __len__(self) -> int:
        return len(self._rows)

    def write(
        self,
        pixels: Mapping[str, NDArray[np.int16]],
        masks: Mapping[str, NDArray[np.uint8]],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Append chips.

        Args:
            pixels: Sensor id -> stored values, [chip, band, y, x]. A sensor that no chip has may be left out.
            masks: Sensor id -> flags, [chip, y, x]; a pixel without a value carries ``Mask.NODATA``.
            rows: Index rows of the chips; presence, digest and GSD are filled in here. A chip whose row says that a
                sensor is not present, or whose mask is nodata everywhere, has no pixels of that sensor.

        Raises:
            ValueError: Shapes do not fit, or more chips come than were expected.
        """
        self._check(pixels, masks, rows)
        blocks = {sensor: self._present(sensor, pixels, masks, rows) for sensor in self._layouts}
        filled = [dict(row) for row in rows]
        for index, row in enumerate(filled):
            own = {}
            for sensor, (stored, flags, present) in blocks.items():
                row[column(sensor, "present")] = bool(present[index])
                if present[index]:
                    own[sensor] = (stored[index], flags[index])
            row["digest"] = chip_digest(own)
            row["gsd"] = self._gsd
        training = np.array([row.get("split") == TRAINING_SPLIT for row in filled], dtype=bool)
        for sensor, (stored, flags, present) in blocks.items():
            layout, used = self._layouts[sensor], training & present
            if layout.kind != "label" and used.any():
                self._sums.append({sensor: band_sums(layout, stored[used], flags[used])})
        self._append(blocks, len(filled))
        self._rows += filled

    def _check(
        self,
        pixels: Mapping[str, NDArray[np.int16]],
        masks: Mapping[str, NDArray[np.uint8]],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        if self.summary is not None:
            raise ValueError("the part is closed")
        if len(self._rows) + len(rows) > self._expected:
            raise ValueError(f"more than the {self._expected} chips expected")
        if set(pixels) != set(masks) or not set(pixels) <= set(self._layouts):
            raise ValueError(f"sensors {sorted(pixels)} with masks {sorted(masks)} in a store of {list(self._layouts)}")
        for sensor, stored in pixels.items():
            shape = (len(rows), len(self._layouts[sensor].bands), self._size, self._size)
            if stored.shape != shape or stored.dtype != np.int16:
                raise ValueError(f"{sensor}: pixels are {stored.dtype}{stored.shape}, not int16{shape}")
            if masks[sensor].shape != (shape[0], *shape[2:]) or masks[sensor].dtype != np.uint8:
                raise ValueError(f"{sensor}: the mask is {masks[sensor].dtype}{masks[sensor].shape}")

    def _present(
        self,
        sensor: str,
        pixels: Mapping[str, NDArray[np.int16]],
        masks: Mapping[str, NDArray[np.uint8]],
        rows: Sequence[Mapping[str, Any]],
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.bool_]]:
        """Return pixels and masks with absent chips blanked, and which chips are present."""
        layout = self._layouts[sensor]
        if sensor not in pixels:
            shape = (len(rows), len(layout.bands), self._size, self._size)
            blank = np.broadcast_to(np.int16(layout.nodata), shape)
            flags = np.broadcast_to(np.uint8(Mask.NODATA), (shape[0], *shape[2:]))
            return blank, flags, np.zeros(len(rows), dtype=bool)
        stored, flags = pixels[sensor], masks[sensor]
        said = np.array([bool(row.get(column(sensor, "present"), True)) for row in rows], dtype=bool)
        measured = ((flags & int(Mask.NODATA)) == 0) & (stored != layout.nodata).any(axis=1)
        present = said & measured.any(axis=(1, 2))
        if not present.all():
            stored, flags = stored.copy(), flags.copy()
            stored[~present] = layout.nodata
            flags[~present] = Mask.NODATA
        return stored, flags, present

    def _append(
        self, blocks: Mapping[str, tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.bool_]]], count: int
    ) -> None:
        """Copy chips into the shard buffers and write each shard that is full."""
        taken = 0
        while taken < count:
            filled = (len(self._rows) + taken) - self._written
            step = min(count - taken, self._shard - filled)
            for sensor, (stored, flags, _) in blocks.items():
                buffer, flag_buffer = self._buffers[sensor]
                buffer[filled : filled + step] = stored[taken : taken + step]
                flag_buffer[filled : filled + step] = flags[taken : taken + step]
            taken += step
            if filled + step == self._shard:
                self._flush(self._shard)

    def _flush(self, count: int) -> None:
        start, stop = self._written, self._written + count
        for sensor, (pixels, mask) in self._arrays.items():
            buffer, flags = self._buffers[sensor]
            pixels[start:stop] = buffer[:count]
            mask[start:stop] = flags[:count]
        self._written = stop

    def close(self) -> PartSummary:
        """Write what is left, the index, and return the part's summary."""
        if self.summary is not None:
            return self.summary
        count = len(self._rows)
        for pixels, mask in self._arrays.values():
            pixels.resize((count, *pixels.shape[1:]))
            mask.resize((count, *mask.shape[1:]))
        if count > self._written:
            self._flush(count - self._written)
        self._buffers.clear()
        table = index_table(self._rows, list(self._layouts))
        digest = combine(row_digest(row) for row in table.to_pylist())
        pq.write_table(with_geo_metadata(table), self._directory / INDEX_FILE, compression="zstd")
        size = sum(path.stat().st_size for path in self._directory.rglob("*") if path.is_file())
        self.summary = PartSummary(
            chips=count,
            digest=digest,
            sums=merge_sums(self._sums),
            bytes=size,
            index_sha256=hashlib.sha256((self._directory / INDEX_FILE).read_bytes()).hexdigest(),
            arrays_sha256=_arrays.documents_digest(str(self._directory), self._layouts),
        )
        return self.summary
