"""Chips of a store to batches of a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.inference._info import PackageInfo
from earthenware.models import CubeBatch

T = TypeVar("T")


def chips_to_batch(store: ChipStore, indices: Sequence[int] | NDArray[np.int64], info: PackageInfo) -> CubeBatch:
    """Read chips, normalise their bands and say which pixels count.

    A pixel is valid when it has a value, none of its sensor's ignored flags, and a band with statistics. A sensor that
    a chip or the whole store lacks is invalid everywhere.

    Returns:
        A batch on the CPU, chips in the order of ``indices``, bands in the order of ``info.bands``.

    Raises:
        EarthenwareError: ``BANDS_DIFFER``; ``CHIPS_CORRUPT`` naming the part that is damaged.
    """
    info.require_bands_of(store)
    chosen = [int(i) for i in indices]
    shape = (len(chosen), len(info.bands), store.chip_size, store.chip_size)
    pixels = np.zeros(shape, dtype=np.float32)
    valid = np.zeros(shape, dtype=bool)
    statistics = info.normalization
    here = [sensor for sensor in info.sensors if sensor in store.sensors]
    read = store.read_batch(here, chosen, bands={sensor: info.sensors[sensor] for sensor in here})
    first = 0
    for sensor_id, bands in info.sensors.items():
        axis = slice(first, first + len(bands))
        first += len(bands)
        if sensor_id not in read:
            continue
        mean, std = (values[axis, None, None] for values in (statistics.mean, statistics.std))
        known = statistics.known[axis, None, None]
        for row in np.flatnonzero(store.present(sensor_id)[chosen]):
            stored, flags = (arrays[row] for arrays in read[sensor_id])
            values = (store.sensors[sensor_id].decode(stored) - mean) / std
            usable = np.isfinite(values) & ((flags & np.uint8(info.ignore[sensor_id])) == 0) & known
            pixels[row, axis] = np.where(usable, values, np.float32(0.0))
            valid[row, axis] = usable
    lonlat, timestamp = _where_and_when(store, chosen)
    return CubeBatch(
        pixels=torch.from_numpy(pixels),
        valid=torch.from_numpy(valid),
        lonlat=torch.from_numpy(lonlat),
        timestamp=torch.from_numpy(timestamp),
        gsd=torch.full((len(chosen),), store.gsd, dtype=torch.float32),
    )


def iterate_batches(
    store: ChipStore, indices: Sequence[int] | NDArray[np.int64], info: PackageInfo, batch_size: int
) -> Iterator[tuple[NDArray[np.int64], CubeBatch]]:
    """Yield chip numbers and their batch, in order, reading the next batch while the caller works on this one.

    Raises:
        EarthenwareError: As :func:`chips_to_batch`.
        ValueError: If ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    numbers = np.asarray(indices, dtype=np.int64)
    blocks = [numbers[start : start + batch_size] for start in range(0, len(numbers), batch_size)]
    batches = read_ahead((partial(chips_to_batch, store, block, info) for block in blocks), ahead=1)
    yield from zip(blocks, batches, strict=True)


def read_ahead(tasks: Iterable[Callable[[], T]], *, ahead: int) -> Iterator[T]:
    """Yield what tasks return, in order; a thread does the next ``ahead`` of them while the caller works."""
    with ThreadPoolExecutor(1, thread_name_prefix="chips") as pool:
        waiting: deque[Future[T]] = deque()
        for task in tasks:
            waiting.append(pool.submit(task))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _where_and_when(store: ChipStore, indices: list[int]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return longitude and latitude ``[chip, 2]`` and seconds since 1970 ``[chip]``; NaN where the index has none."""
    rows = store.index.select(["lon", "lat", "datetime"]).take(np.array(indices, dtype=np.int64))
    lonlat = np.stack([rows[name].to_numpy(zero_copy_only=False).astype(np.float32) for name in ("lon", "lat")], axis=1)
    moments = rows["datetime"].to_numpy(zero_copy_only=False).astype("datetime64[us]")
    seconds = moments.astype(np.int64).astype(np.float64) / 1e6
    return lonlat, np.where(np.isnat(moments), np.nan, seconds)
