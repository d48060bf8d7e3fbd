"""The Zarr arrays of a part: how they are made, and how they are opened.

One inner chunk is one chip with all its bands, as chips are read one at a time and at random. Inner chunks lie in
shards, which are written whole. Blosc-LZ4 with bit shuffling was the fastest of those tried at nearly the smallest
size; a CRC-32C behind each chunk lets a reader notice a damaged one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from earthenware import storage
from earthenware.chips._document import PIXELS, SensorLayout
from earthenware.chips._shards import ShardedArray
from earthenware.sensors import Mask

PIXEL = "pixels"
MASK = "mask"
SHARD_BYTES = 64 * 2**20
"""Uncompressed pixels per shard and sensor: large enough for an object store, small enough to hold in memory."""

_PIPELINE = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": False}


def shard_chips(chip_size: int, layouts: list[SensorLayout], expected: int) -> int:
    """Return how many chips a shard holds when ``expected`` chips are to come at most."""
    widest = max(len(layout.bands) for layout in layouts) * chip_size * chip_size * 2
    return max(1, min(expected, SHARD_BYTES // widest))


def create_arrays(directory: Path, layout: SensorLayout, chips: int, chip_size: int, shard: int) -> tuple[Any, Any]:
    """Create the arrays of one sensor: pixels [chip, band, y, x] and mask [chip, y, x], ``shard`` chips to a shard."""
    import zarr
    import zarrs  # noqa: F401  registers the codec pipeline
    from zarr.codecs import BloscCodec, Crc32cCodec

    def create(name: str, dtype: str, fill: int, axes: dict[str, int], attributes: dict[str, Any]) -> Any:
        blosc = BloscCodec(typesize=np.dtype(dtype).itemsize, cname="lz4", clevel=5, shuffle="bitshuffle")
        return group.create_array(
            f"{layout.id}/{name}",
            shape=(chips, *axes.values()),
            shards=(shard, *axes.values()),
            chunks=(1, *axes.values()),
            dtype=dtype,
            fill_value=fill,
            compressors=[blosc, Crc32cCodec()],
            dimension_names=("chip", *axes),
            attributes=attributes,
        )

    image = {"y": chip_size, "x": chip_size}
    encoding = {
        "scale_factor": layout.scale,
        "add_offset": layout.offset,
        "_FillValue": layout.nodata,
        "bands": list(layout.bands),
        "wavelengths_nm": list(layout.wavelengths_nm),
    }
    flags = {
        "flag_masks": [int(flag) for flag in Mask],
        "flag_meanings": " ".join(str(flag.name).lower() for flag in Mask),
    }
    with zarr.config.set(_PIPELINE):
        group = zarr.open_group(directory / PIXELS, mode="a", zarr_format=3)
        return (
            create(PIXEL, layout.dtype, layout.nodata, {"band": len(layout.bands), **image}, encoding),
            create(MASK, "uint8", int(Mask.NODATA), image, flags),
        )


def documents_digest(part: str, sensors: Iterable[str]) -> str:
    """Return the digest of the documents by which other readers know the arrays of a part's sensors.

    Raises:
        FileNotFoundError: One is missing.
    """
    digest = hashlib.sha256()
    for path in ("", *(storage.join(sensor, name) for sensor in sorted(sensors) for name in ("", PIXEL, MASK))):
        data = storage.read_bytes(storage.join(part, PIXELS, path, "zarr.json"))
        digest.update(f"{path}:{len(data)};".encode() + data)
    return digest.hexdigest()


def sharded_array(part: str, layout: SensorLayout, name: str, chips: int, chip_size: int) -> ShardedArray:
    """Open one array of a part for reading, wherever the part lies.

    Raises:
        DamageError: It is not the array that a part of ``chips`` chips has.
    """
    uri = storage.join(part, PIXELS, layout.id, name)
    if name == MASK:
        return ShardedArray(uri, (chips, chip_size, chip_size), "uint8")
    return ShardedArray(uri, (chips, len(layout.bands), chip_size, chip_size), layout.dtype)
