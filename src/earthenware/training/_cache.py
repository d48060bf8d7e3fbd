"""Decoded chips in a local file that the workers of a machine share, so that a store is read once."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore


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

    def __init__(
        self,
        store: ChipStore,
        place: NDArray[np.int64],
        pixels: dict[str, NDArray[np.int16]],
        masks: dict[str, NDArray[np.uint8]],
    ) -> None:
        super().__init__(store.uri, store.document)
        self._place, self._pixels, self._masks = place, pixels, masks

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a cached store stays in its process")

    def read_stored(self, sensor: str, i: int) -> NDArray[np.int16]:
        if sensor not in self._pixels or self._place[i] < 0:
            return super().read_stored(sensor, i)
        stored: NDArray[np.int16] = self._pixels[sensor][self._place[i]]
        return stored

    def read_mask(self, sensor: str, i: int) -> NDArray[np.uint8]:
        if sensor not in self._masks or self._place[i] < 0:
            return super().read_mask(sensor, i)
        flags: NDArray[np.uint8] = self._masks[sensor][self._place[i]]
        return flags


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
    pixels, masks = _arrays(block, store, sensors, len(chips))
    for done, position in enumerate(range(group.rank, len(chips), group.size)):
        for sensor in sensors:
            pixels[sensor][position] = store.read_stored(sensor, int(chips[position]))
            masks[sensor][position] = store.read_mask(sensor, int(chips[position]))
        if done % 64 == 0:
            progress(done)
    group.barrier()
    place = np.full(len(store), -1, dtype=np.int64)
    place[chips] = np.arange(len(chips))
    return _CachedStore(store, place, pixels, masks)


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


def _arrays(
    block: NDArray[np.uint8], store: ChipStore, sensors: Sequence[str], chips: int
) -> tuple[dict[str, NDArray[np.int16]], dict[str, NDArray[np.uint8]]]:
    pixels, masks, start = {}, {}, 0
    edge = store.chip_size
    for sensor in sensors:  # pixels first: they want even addresses
        shape = (chips, len(store.sensors[sensor].bands), edge, edge)
        stop = start + 2 * int(np.prod(shape))
        pixels[sensor] = block[start:stop].view(np.int16).reshape(shape)
        start = stop
    for sensor in sensors:
        stop = start + chips * edge * edge
        masks[sensor] = block[start:stop].reshape(chips, edge, edge)
        start = stop
    return pixels, masks
