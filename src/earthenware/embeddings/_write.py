"""The final file: parts joined in their order, in row groups of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earthenware.embeddings._schema import geo_metadata

if TYPE_CHECKING:
    import pyarrow as pa


def write_product(
    path: Path,
    parts: Iterable[pa.Table],
    schema: pa.Schema,
    *,
    bounds: tuple[float, float, float, float] | None,
    emb: Mapping[str, Any],
    row_group_bytes: int,
) -> int:
    """Write the product's Parquet file; memory stays at about one row group and one part.

    Args:
        path: Local file to write.
        parts: Tables of ``schema`` in the final order.
        schema: Columns of the product.
        bounds: West, south, east and north in degrees.
        emb: The ``emb`` entry of the footer.
        row_group_bytes: Size of a row group before encoding and compression.

    Returns:
        Number of rows.
    """
    import pyarrow.parquet as pq

    described = schema.with_metadata(geo_metadata(bounds, emb))
    rows = 0
    # Vectors do not repeat: a dictionary costs time and finds nothing. Byte streams split by significance compress.
    split = ["embedding.list.element"]
    repeated = ["sensors.list.element", "model_digest", "site", "split", "scene_id", "crs", "source_items.list.element"]
    with pq.ParquetWriter(
        path,
        described,
        compression="zstd",
        use_dictionary=repeated,
        use_byte_stream_split=split,
        write_page_index=True,
    ) as writer:
        for group in _groups(parts, row_group_bytes):
            writer.write_table(group.cast(described), row_group_size=max(1, len(group)))
            rows += len(group)
    return rows


def _groups(parts: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Yield tables of the rows that fill ``size`` bytes; where they are cut does not depend on the parts."""
    import pyarrow as pa

    held: pa.Table | None = None
    per_group = 0
    for part in parts:
        if not len(part):
            continue
        if not per_group:
            # From the widths of the columns that decide: thumbnails vary, so a typical one is assumed.
            per_group = max(1, size // _row_bytes(part.schema))
        held = part if held is None else pa.concat_tables([held, part])
        while len(held) >= per_group:
            yield held.slice(0, per_group).combine_chunks()
            held = held.slice(per_group)
    if held is not None and len(held):
        yield held.combine_chunks()


def _row_bytes(schema: pa.Schema) -> int:
    """Return the approximate size of a row: 4 bytes a dimension, 500 for the rest, 2500 for a thumbnail."""
    dimensions = int(schema.field("embedding").type.list_size)
    return 4 * dimensions + 500 + (2500 if "thumbnail" in schema.names else 0)
