"""The Zarr arrays of a part: how they are made, and how they are opened.

One inner chunk is one chip with all its bands, as chips are read one at a time and at random. Inner chunks lie in
shards, which are written whole. Blosc-LZ4 with bit shuffling was the fastest of those tried at nearly the smallest
size; a CRC-32C behind each chunk lets a reader notice a damaged one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earthenware import storage
from earthenware.chips._document import PIXELS
from earthenware.chips._layout import SensorLayout
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
    """Create the pixel array and the mask array of one sensor.

    Args:
        directory: The part's local directory.
        layout: The sensor.
        chips: Number of chips.
        chip_size: Edge of a chip in pixels.
        shard: Chips per shard.

    Returns:
        The Zarr arrays pixels [chip, band, y, x] and mask [chip, y, x].
    """
    import zarr
    import zarrs  # noqa: F401  registers the codec pipeline
    from zarr.codecs import BloscCodec, Crc32cCodec

    def compressors(size: int) -> list[Any]:
        return [BloscCodec(typesize=size, cname="lz4", clevel=5, shuffle="bitshuffle"), Crc32cCodec()]

    bands, edge = len(layout.bands), chip_size
    with zarr.config.set(_PIPELINE):
        group = zarr.open_group(directory / PIXELS, mode="a", zarr_format=3)
        pixels = group.create_array(
            f"{layout.id}/{PIXEL}",
            shape=(chips, bands, edge, edge),
            shards=(shard, bands, edge, edge),
            chunks=(1, bands, edge, edge),
            dtype=layout.dtype,
            fill_value=layout.nodata,
            compressors=compressors(2),
            dimension_names=("chip", "band", "y", "x"),
            attributes={
                "scale_factor": layout.scale,
                "add_offset": layout.offset,
                "_FillValue": layout.nodata,
                "bands": list(layout.bands),
                "wavelengths_nm": list(layout.wavelengths_nm),
            },
        )
        mask = group.create_array(
            f"{layout.id}/{MASK}",
            shape=(chips, edge, edge),
            shards=(shard, edge, edge),
            chunks=(1, edge, edge),
            dtype="uint8",
            fill_value=int(Mask.NODATA),
            compressors=compressors(1),
            dimension_names=("chip", "y", "x"),
            attributes={
                "flag_masks": [int(flag) for flag in Mask],
                "flag_meanings": " ".join(str(flag.name).lower() for flag in Mask),
            },
        )
    return pixels, mask


def sharded_array(part: str, layout: SensorLayout, name: str, chips: int, chip_size: int) -> ShardedArray:
    """Open one array of a part for reading, wherever the part lies.

    Raises:
        DamageError: It is not the array that a part of ``chips`` chips has.
    """
    uri = storage.join(part, PIXELS, layout.id, name)
    if name == MASK:
        return ShardedArray(uri, (chips, chip_size, chip_size), "uint8")
    return ShardedArray(uri, (chips, len(layout.bands), chip_size, chip_size), layout.dtype)
