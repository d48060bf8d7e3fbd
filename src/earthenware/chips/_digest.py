"""Digests of chips that say the same whatever the parts, the attempts and the order they were written in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MODULUS = 2**256


def chip_digest(arrays: Mapping[str, tuple[NDArray[np.int16], NDArray[np.uint8]]]) -> str:
    """Return the sha256 of a chip's pixels and masks.

    Args:
        arrays: Sensor id -> (stored pixels [band, y, x], mask [y, x]) of the sensors that the chip has.
    """
    digest = hashlib.sha256()
    for sensor in sorted(arrays):
        pixels, mask = arrays[sensor]
        digest.update(f"{sensor}:{','.join(map(str, pixels.shape))};".encode())
        digest.update(np.ascontiguousarray(pixels, dtype="<i2").data)
        digest.update(np.ascontiguousarray(mask, dtype="u1").data)
    return digest.hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no canonical form for {type(value).__name__}")


def row_digest(row: Mapping[str, Any]) -> int:
    """Return the sha256 of an index row, as an integer.

    The row holds the chip's own digest. Links are left out: where a file was read from is not what was read.
    """
    content = {key: value for key, value in row.items() if not key.endswith("_hrefs")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def combine(digests: Iterable[int | str]) -> str:
    """Add digests modulo 2**256: the same chips give the same sum in any order and any grouping."""
    total = sum(int(value, 16) if isinstance(value, str) else value for value in digests)
    return f"{total % _MODULUS:064x}"
