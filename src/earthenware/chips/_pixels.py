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
    """Chunks of one array that are to be read.

    Attributes:
        array: The array's key: (part, sensor, name).
        places: Per chunk the chip's position in its part, and its row in ``out``.
        out: Array to fill, of which each row is one chunk.
        bands: The bands wanted; None for all.
    """

    array: tuple[int, str, str]
    places: Sequence[tuple[int, int]]
    out: NDArray[Any]
    bands: Some | None = None


class Failure(NamedTuple):
    """A chunk that could not be read, and why."""

    array: tuple[int, str, str]
    position: int
    row: int
    why: str


_Place = tuple[int, int, int, int]
"""Offset, length, position, row."""
_Job = tuple[str, Wanted, list[_Place]]
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

    def read(self, wanted: Sequence[Wanted]) -> list[Failure]:
        """Fill the arrays of ``wanted`` and return the chunks that are damaged.

        Raises:
            EarthenwareError: The storage cannot be reached.
        """
        broken: dict[Any, str] = {}
        remote = not all(self._is_local(part) for part in {one.array[0] for one in wanted})

        def noted(key: Any, call: Callable[[], None]) -> None:
            try:
                call()
            except DamageError as error:
                broken[key] = str(error)

        def opened(key: tuple[int, str, str]) -> None:
            self._arrays.setdefault(key, self._open_array(key))  # another thread may have been faster

        missing = dict.fromkeys(one.array for one in wanted if one.array not in self._arrays)
        _each(lambda key: noted(key, lambda: opened(key)), list(missing), remote)

        failures: list[Failure] = []
        shards: list[tuple[Wanted, int, list[tuple[int, int]]]] = []
        for one in wanted:
            if one.array in broken:
                failures += [Failure(one.array, *place, broken[one.array]) for place in one.places]
                continue
            size, found = self._arrays[one.array].shard_chips, dict[int, list[tuple[int, int]]]()
            for place in one.places:
                found.setdefault(place[0] // size, []).append(place)
            shards += [(one, shard, places) for shard, places in found.items()]
        unread = [(one.array, shard) for one, shard, _ in shards if not self._arrays[one.array].has_index(shard)]
        _each(lambda where: noted(where, lambda: self._arrays[where[0]].load_index(where[1])), unread, remote)

        jobs: list[_Job] = []
        for one, shard, places in shards:
            if (one.array, shard) in broken:
                failures += [Failure(one.array, *place, broken[one.array, shard]) for place in places]
                continue
            array, chunks = self._arrays[one.array], list[_Place]()
            for position, row in places:
                try:
                    chunks.append((*array.place(shard, position % array.shard_chips), position, row))
                except DamageError as error:
                    failures.append(Failure(one.array, position, row, str(error)))
            if chunks:
                jobs.append((array.shard_uri(shard), one, chunks))
        for failed in _each(_fill, _spans(jobs) if remote else _shares(jobs), remote):
            failures += failed
        return failures


def _fill(jobs: Sequence[_Job]) -> list[Failure]:
    failures = []
    for uri, (array, _, out, bands), places in jobs:
        try:
            found = storage.read_ranges(uri, [place[:2] for place in places])
        except FileNotFoundError:
            failures += [Failure(array, *place[2:], "the shard is missing") for place in places]
            continue
        for data, (_, _, position, row) in zip(found, places, strict=True):
            try:
                decode(data, out[row], bands)
            except DamageError as error:
                failures.append(Failure(array, position, row, str(error)))
    return failures


def _shares(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Put jobs together, and cut them, to shares that are worth a thread each."""
    unpacked = sum(one.out[0].nbytes * len(places) for _, one, places in jobs)
    if unpacked < _SMALL * sum(len(places) for _, _, places in jobs):
        return [list(jobs)]
    shares: list[list[_Job]] = [[]]
    room = _SHARE
    for uri, one, places in jobs:
        bytes_each = max(1, one.out[0].nbytes)
        start = 0
        while start < len(places):
            if room <= 0:
                shares.append([])
                room = _SHARE
            share = places[start : start + max(1, room // bytes_each)]
            shares[-1].append((uri, one, share))
            room -= len(share) * bytes_each
            start += len(share)
    return shares


def _spans(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Cut jobs to what one request brings each."""
    spans: list[list[_Job]] = []
    for uri, one, places in jobs:
        first = end = -_SPAN
        for place in sorted(places):
            offset, length = place[:2]
            if offset - end > _NEAR or offset + length - first > _SPAN:
                spans.append([(uri, one, [])])
                first = offset
            spans[-1][0][2].append(place)
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
