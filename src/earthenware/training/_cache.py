"""Decoded chips in a local file that the workers of a machine share, so that a store is read once."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipArrays, ChipStore
from earthenware.errors import EarthenwareError

_BATCH = 64
"""Chips read at once into the cache."""


@dataclass(frozen=True)
class Group:
    """The workers of one machine.

    Attributes:
        rank: This worker among them.
        size: Their number.
        name: A name for shared files that no other group on the machine has.
        barrier: Waits until all of them (at least) have come.
        agree: Tells whether a condition holds on every worker of the run.
    """

    rank: int
    size: int
    name: str
    barrier: Callable[[], None]
    agree: Callable[[bool], bool]


def cached_bytes(store: ChipStore, sensors: Sequence[str], chips: int) -> int:
    """Return the size of the cache of ``chips`` chips."""
    return chips * sum(2 * len(store.sensors[sensor].bands) + 1 for sensor in sensors) * store.chip_size**2


class _CachedStore(ChipStore):
    """A store whose chosen chips come from arrays in memory: stored values and flags, as they are in the store."""

    def __init__(self, store: ChipStore, place: NDArray[np.int64], arrays: dict[str, ChipArrays]) -> None:
        vars(self).update(vars(store))  # with its index, which is not read a second time
        self._place, self._cache = place, arrays

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a cached store stays in its process")

    def read_batch(
        self,
        sensors: Sequence[str],
        indices: Sequence[int] | NDArray[np.int64],
        *,
        bands: Mapping[str, Sequence[str]] | None = None,
        out: Mapping[str, ChipArrays] | None = None,
        damaged: Callable[[int, EarthenwareError], None] | None = None,
    ) -> dict[str, ChipArrays]:
        places = self._place[np.asarray(indices, dtype=np.int64)]
        if out is not None or (places < 0).any() or not set(sensors) <= set(self._cache):
            return super().read_batch(sensors, indices, bands=bands, out=out, damaged=damaged)
        found = {}
        for sensor in sensors:
            pixels, mask = self._cache[sensor]
            stored = self.sensors[sensor].bands
            chosen = [stored.index(band) for band in (bands or {}).get(sensor, stored)]
            some = pixels[places] if chosen == list(range(len(stored))) else pixels[places[:, None], chosen]
            found[sensor] = ChipArrays(some, mask[places])
        return found


def cached(
    store: ChipStore,
    sensors: Sequence[str],
    chips: NDArray[np.int64],
    group: Group,
    progress: Callable[[int], None] = lambda done: None,
) -> ChipStore | None:
    """Return ``store`` with ``chips`` in a cache, which the workers of a group fill together.

    The file has no name once all workers have opened it: it goes with the last of them, however they end.

    Args:
        store: The store.
        sensors: Sensors to keep.
        chips: `[chip]` numbers of the chips to keep.
        group: The workers.
        progress: Told how many chips this worker has read.

    Returns:
        The cached store, or None on every worker when there is no room for it.
    """
    total = cached_bytes(store, sensors, len(chips))
    path = Path(tempfile.gettempdir()) / f"ew-chips-{os.getuid()}-{group.name}"
    made = True
    if group.rank == 0:
        made = _reserve(path, total)
    group.barrier()
    if not group.agree(made):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return None
    try:
        block = np.memmap(path, dtype=np.uint8, mode="r+", shape=(total,))
        group.barrier()
    finally:
        if group.rank == 0:
            path.unlink()
    arrays = _arrays(block, store, sensors, len(chips))
    for start in range(group.rank, len(chips), group.size * _BATCH):
        own = slice(start, start + group.size * _BATCH, group.size)
        batch = {sensor: ChipArrays(one.pixels[own], one.mask[own]) for sensor, one in arrays.items()}
        store.read_batch(sensors, chips[own], out=batch)
        progress(start // group.size)
    group.barrier()
    place = np.full(len(store), -1, dtype=np.int64)
    place[chips] = np.arange(len(chips))
    return _CachedStore(store, place, arrays)


def _reserve(path: Path, total: int) -> bool:
    """Make a file with its space allocated: a process that writes to a mapped file on a full disk is killed."""
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(descriptor, 0, total)
    except OSError:
        return False
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return True


def _arrays(block: NDArray[np.uint8], store: ChipStore, sensors: Sequence[str], chips: int) -> dict[str, ChipArrays]:
    edge = store.chip_size
    pixels, masks, start = {}, {}, 0
    for sensor in sensors:  # pixels first: they want even addresses
        shape = (chips, len(store.sensors[sensor].bands), edge, edge)
        stop = start + 2 * int(np.prod(shape))
        pixels[sensor] = block[start:stop].view(np.int16).reshape(shape)
        start = stop
    for sensor in sensors:
        stop = start + chips * edge * edge
        masks[sensor] = block[start:stop].reshape(chips, edge, edge)
        start = stop
    return {sensor: ChipArrays(pixels[sensor], masks[sensor]) for sensor in sensors}
