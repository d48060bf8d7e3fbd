"""The bytes of a chip's arrays: where a chunk lies in its shard, and how it becomes pixels again.

Zarr's own machinery takes eight times as long over a chip as its bytes do. A shard is simple enough to read without
it: chunks lie one behind another, and behind the last stands an index, per chunk its offset and length as two
little-endian uint64, and a CRC-32C of the index. What is read here is what :mod:`earthenware.chips._arrays` writes;
an array that differs from it is refused, never guessed at.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from earthenware import storage

_CODECS = ["bytes", "blosc", "crc32c"]
_INDEX_CODECS = ["bytes", "crc32c"]
_RESIDUE = 0x48674BC7
"""CRC-32C of any bytes with their own CRC-32C behind them: so a checksum is compared without taking it off."""
_ENTRY = struct.Struct("<QQ")
_NOWHERE = 2**64 - 1
_COPIED = 2**15
"""Bytes of a chunk up to which a copy takes less time than what numcodecs asks of an array to unpack into."""
_BLOSC_HEADER = struct.Struct("<4xI4xI")  # version and flags, bytes unpacked, block size, bytes packed


class DamageError(Exception):
    """What is wrong with an array, a shard or a chunk, in a few words."""


class ShardedArray:
    """One array of a part, of which every inner chunk is one chip.

    Args:
        uri: Where the array lies.
        shape: What its ``zarr.json`` must say: chips, then the shape of one chip.
        dtype: NumPy name of its type, also as it must be.

    Attributes:
        shard_chips: Chips per shard.

    Raises:
        DamageError: ``zarr.json`` is missing, or says something else.
    """

    def __init__(self, uri: str, shape: tuple[int, ...], dtype: str) -> None:
        self._uri = uri
        self._tail = "/0" * (len(shape) - 1)
        try:
            stated = json.loads(storage.read_bytes(storage.join(uri, "zarr.json")))
            self.shard_chips = _chips_per_shard(stated, shape, dtype)
        except FileNotFoundError as error:
            raise DamageError("its zarr.json is missing") from error
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DamageError("its zarr.json is not one of a chip store") from error
        self._indexes: dict[int, bytes] = {}

    def shard_uri(self, shard: int) -> str:
        """Return where a shard lies."""
        return f"{self._uri}/c/{shard}{self._tail}"

    def has_index(self, shard: int) -> bool:
        """Return whether the index of a shard was read."""
        return shard in self._indexes

    def load_index(self, shard: int) -> None:
        """Read the index at a shard's end and keep it.

        Raises:
            DamageError: It is not whole.
        """
        length = _ENTRY.size * self.shard_chips + 4
        try:
            data = storage.read_tail(self.shard_uri(shard), length)
        except FileNotFoundError as error:
            raise DamageError("the shard is missing") from error
        if len(data) < length or google_crc32c.value(data) != _RESIDUE:
            raise DamageError("the shard's index is damaged")
        self._indexes[shard] = data

    def place(self, shard: int, slot: int) -> tuple[int, int]:
        """Return offset and length in bytes of a chunk of a shard whose index was read.

        Raises:
            DamageError: There is no such chunk.
        """
        offset, length = _ENTRY.unpack_from(self._indexes[shard], _ENTRY.size * slot)
        if offset == _NOWHERE:
            raise DamageError("it is missing")
        return offset, length


def _chips_per_shard(stated: dict[str, Any], shape: tuple[int, ...], dtype: str) -> int:
    (sharding,) = stated["codecs"]
    chosen = sharding["configuration"]
    shard: list[int] = stated["chunk_grid"]["configuration"]["chunk_shape"]
    whole = (
        stated["shape"] == list(shape)
        and stated["data_type"] == dtype
        and sharding["name"] == "sharding_indexed"
        and chosen["chunk_shape"] == [1, *shape[1:]]
        and shard[0] >= 1
        and shard[1:] == list(shape[1:])
        and stated["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
        and chosen.get("index_location", "end") == "end"
    )
    if not whole:
        raise ValueError("another shape")
    for codecs, known in ((chosen["codecs"], _CODECS), (chosen["index_codecs"], _INDEX_CODECS)):
        names = [codec["name"] for codec in codecs]
        if names != known or codecs[0].get("configuration", {}).get("endian", "little") != "little":
            raise DamageError(f"its codecs are {' + '.join(names)}, those of a chip store {' + '.join(known)}")
    return int(shard[0])


class Some(NamedTuple):
    """Some bands of a chip.

    Attributes:
        stored: Number of bands that are stored.
        wanted: Numbers of those wanted, in the order wanted.
    """

    stored: int
    wanted: Sequence[int]


@cache
def _blosc() -> Any:
    """Return numcodecs' Blosc, whose import takes a third of a second; without threads of its own, as Zarr wants it."""
    import numcodecs.blosc

    numcodecs.blosc.use_threads = False
    return numcodecs.blosc


def decode(chunk: bytes, out: NDArray[Any], bands: Some | None = None) -> None:
    """Check one chunk and unpack it; everything that takes time but the checksum runs outside the interpreter's lock.

    Args:
        chunk: As it lies in the shard.
        out: Contiguous array to fill: [band, y, x] or [y, x].
        bands: The bands wanted; None for all.

    Raises:
        DamageError: The chunk is not what was written.
    """
    if len(chunk) < 20 or google_crc32c.value(chunk) != _RESIDUE:
        raise DamageError("its checksum does not match")
    unpacked, packed = _BLOSC_HEADER.unpack_from(chunk)
    whole = out if bands is None else np.empty((bands.stored, *out.shape[1:]), out.dtype)
    if unpacked != whole.nbytes or packed != len(chunk) - 4:
        raise DamageError(f"it holds {unpacked} bytes")
    try:
        if unpacked > _COPIED:
            _blosc().decompress(chunk, whole)
        else:
            whole.data.cast("B")[:] = _blosc().decompress(chunk)
    except (RuntimeError, ValueError) as error:
        raise DamageError(str(error)) from error
    if bands is not None:
        out[...] = whole[list(bands.wanted)]
