"""Decoded chips in a local file that the workers of a machine share, so that a store is read once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipArrays, ChipStore
from earthenware.errors import EarthenwareError

_BATCH = 64
"""Chips read at once into the cache."""


@dataclass(frozen=True)
class Group:
    """The workers of one machine: this one's rank, their number, and what else they share.

    Attributes:
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


def cached(store: ChipStore, sensors: Sequence[str], chips: NDArray[np.int64], group: Group) -> ChipStore | None:
    """Return ``store`` with ``chips`` `[chip]` in a cache, which the workers of a group fill together.

    The file has no name once all workers have opened it: it goes with the last of them, however they end.
    Where there is no room for it, every worker gets None.
    """
    total = cached_bytes(store, sensors, len(chips))
    path = Path(tempfile.gettempdir()) / f"ew-chips-{os.getuid()}-{group.name}"
    made = group.rank != 0 or _reserve(path, total)
    group.barrier()
    if not group.agree(made):
        path.unlink(missing_ok=True)
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
    group.barrier()
    place = np.full(len(store), -1, dtype=np.int64)
    place[chips] = np.arange(len(chips))
    return _CachedStore(store, place, arrays)


def _reserve(path: Path, total: int) -> bool:
    """Make a file with its space allocated: a process that writes to a mapped file on a full disk is killed."""
    try:
        path.touch(mode=0o600, exist_ok=False)
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, total)
    except OSError:
        return False
    return True


def _arrays(block: NDArray[np.uint8], store: ChipStore, sensors: Sequence[str], chips: int) -> dict[str, ChipArrays]:
    """Lay out all pixels, which want even addresses, and then all masks."""
    planes = chips, store.chip_size, store.chip_size
    area = int(np.prod(planes))
    masks = block[len(block) - area * len(sensors) :].reshape(len(sensors), *planes)
    arrays, start = {}, 0
    for sensor, mask in zip(sensors, masks, strict=True):
        bands = len(store.sensors[sensor].bands)
        stop = start + 2 * area * bands
        pixels = block[start:stop].view(np.int16).reshape(chips, bands, *planes[1:])
        arrays[sensor], start = ChipArrays(pixels, mask), stop
    return arrays
