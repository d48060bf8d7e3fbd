"""Reading many chunks at once, from files and from object stores.

From files each chunk is one read, and threads share the chunks. From an object store a batch is one round of concurrent
requests: chunks of one shard that lie near each other come in one, and the indexes of shards come once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips._shards import DamageError, ShardedArray, Some, decode

_REQUESTS = 128
"""Requests to an object store at once: few chips of a large store lie near each other."""
_NEAR = 256 * 2**10
"""Bytes between two chunks that are fetched and thrown away rather than asked for around: what a request costs."""
_SPAN = 8 * 2**20
"""Bytes that one request brings at most, so that large batches spread over connections."""
_SHARE = 2**20
"""Unpacked bytes worth handing to another thread."""
_SMALL = 2**17
"""Unpacked bytes of a chunk below which threads cost more than they bring: they wait for the interpreter's lock."""

T = TypeVar("T")


class Wanted(NamedTuple):
    """One chunk that is to be read.

    Attributes:
        array: The array's key: (part, sensor, name).
        position: The chip's position in its part.
        out: Array to fill.
        bands: The bands wanted; None for all.
        row: The caller's number for the chip.
    """

    array: tuple[int, str, str]
    position: int
    out: NDArray[Any]
    row: int
    bands: Some | None = None


class Failure(NamedTuple):
    """A chunk that could not be read, and why."""

    wanted: Wanted
    why: str


_Place = tuple[int, int, Wanted]
"""Offset, length, chunk."""
_Job = tuple[str, list[_Place]]
"""A shard, and chunks of it that are read together."""


class PixelReader:
    """Reads chunks of the arrays of a store; what it learns of arrays and shards it keeps.

    Args:
        open_array: Opens an array by its key.
        is_local: Tells whether a part lies in files.
    """

    def __init__(
        self, open_array: Callable[[tuple[int, str, str]], ShardedArray], is_local: Callable[[int], bool]
    ) -> None:
        self._open_array = open_array
        self._is_local = is_local
        self._arrays: dict[tuple[int, str, str], ShardedArray] = {}

    def read(self, chunks: Sequence[Wanted]) -> list[Failure]:
        """Fill the arrays of ``chunks`` and return those that are damaged.

        Raises:
            EarthenwareError: The storage cannot be reached.
        """
        broken: dict[Any, str] = {}
        remote = not all(self._is_local(part) for part in {one.array[0] for one in chunks})

        def noted(key: Any, call: Callable[[], None]) -> None:
            try:
                call()
            except DamageError as error:
                broken[key] = str(error)

        def opened(key: tuple[int, str, str]) -> None:
            self._arrays.setdefault(key, self._open_array(key))  # another thread may have been faster

        missing = dict.fromkeys(one.array for one in chunks if one.array not in self._arrays)
        _each(lambda key: noted(key, lambda: opened(key)), list(missing), remote)

        shards: dict[tuple[tuple[int, str, str], int], list[tuple[int, Wanted]]] = {}
        for one in chunks:
            if one.array in self._arrays:
                shard, slot = divmod(one.position, self._arrays[one.array].shard_chips)
                shards.setdefault((one.array, shard), []).append((slot, one))
        unread = [(key, shard) for key, shard in shards if not self._arrays[key].has_index(shard)]
        _each(lambda where: noted(where, lambda: self._arrays[where[0]].load_index(where[1])), unread, remote)

        failures = [Failure(one, broken[one.array]) for one in chunks if one.array in broken]
        jobs: list[_Job] = []
        for (key, shard), slots in shards.items():
            if (key, shard) in broken:
                failures += [Failure(one, broken[key, shard]) for _, one in slots]
                continue
            array, places = self._arrays[key], []
            for slot, one in slots:
                try:
                    places.append((*array.place(shard, slot), one))
                except DamageError as error:
                    failures.append(Failure(one, str(error)))
            if places:
                jobs.append((array.shard_uri(shard), places))
        for failed in _each(_fill, _spans(jobs) if remote else _shares(jobs), remote):
            failures += failed
        return failures


def _fill(jobs: Sequence[_Job]) -> list[Failure]:
    failures = []
    for uri, places in jobs:
        try:
            found = storage.read_ranges(uri, [(offset, length) for offset, length, _ in places])
        except FileNotFoundError:
            failures += [Failure(one, "the shard is missing") for _, _, one in places]
            continue
        for data, (_, _, one) in zip(found, places, strict=True):
            try:
                decode(data, one.out, one.bands)
            except DamageError as error:
                failures.append(Failure(one, str(error)))
    return failures


def _shares(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Put jobs together, and cut them, to shares that are worth a thread each."""
    sizes = [one.out.nbytes for _, places in jobs for _, _, one in places]
    if sum(sizes) < _SMALL * len(sizes):
        return [list(jobs)]
    shares: list[list[_Job]] = [[]]
    room = _SHARE
    for uri, places in jobs:
        bytes_each = max(1, places[0][2].out.nbytes)
        start = 0
        while start < len(places):
            if room <= 0:
                shares.append([])
                room = _SHARE
            share = places[start : start + max(1, room // bytes_each)]
            shares[-1].append((uri, share))
            room -= len(share) * bytes_each
            start += len(share)
    return shares


def _spans(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Cut jobs to what one request brings each."""
    spans: list[list[_Job]] = []
    for uri, places in jobs:
        first = end = -_SPAN
        for place in sorted(places, key=lambda place: place[:2]):
            offset, length, _ = place
            if offset - end > _NEAR or offset + length - first > _SPAN:
                spans.append([(uri, [])])
                first = offset
            spans[-1][0][1].append(place)
            end = offset + length
    return spans


def _each(call: Callable[[Any], T], items: Sequence[Any], remote: bool) -> list[T]:
    """Call a function on each item, on threads where that is worth it."""
    if len(items) < 2:
        return [call(item) for item in items]
    return list(_pool(_REQUESTS if remote else os.cpu_count() or 1, os.getpid()).map(call, items))


@lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return this process's threads: those of a parent did not come along."""
    return ThreadPoolExecutor(threads, thread_name_prefix="chips")
