"""From chips and their vectors to the product's file: rows, joined in their order, in row groups of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore, column
from earthenware.pages import chip_thumbnails
from earthenware.products import geo_metadata, product_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from earthenware.inference import ChipEmbeddings, Package


def product_rows(
    store: ChipStore,
    indices: NDArray[np.int64],
    encoded: ChipEmbeddings,
    package: Package,
    thumbnail_size: int | None,
) -> pa.Table:
    """Return the product's rows of chips `[chip]`, of which ``encoded`` is what the model says.

    ``thumbnail_size`` is the longest edge of a thumbnail in pixels; None for no thumbnails.
    """
    import pyarrow as pa
    import shapely

    index = store.index.take(pa.array(indices))
    schema = product_schema(encoded.embeddings.shape[1], thumbnails=thumbnail_size is not None)
    bounds = shapely.bounds(shapely.from_wkb(index["geometry"].to_numpy()))
    sensors = package.info.sensors
    present = {sensor: index[column(sensor, "present")].to_pylist() for sensor in sensors}
    items = {sensor: index[column(sensor, "items")].to_pylist() for sensor in sensors}
    rows = range(len(indices))
    columns: dict[str, Any] = {
        **{name: index[name] for name in schema.names if name in index.column_names},
        "id": index["chip_id"],
        "bbox": pa.StructArray.from_arrays(list(bounds.T), fields=list(schema.field("bbox").type)),
        "source_items": [[i for s in sensors if present[s][row] for i in items[s][row] or []] for row in rows],
        "sensors": [[s for s in sensors if present[s][row]] for row in rows],
        "cloud_fraction": _known(store.cloud_fraction()[indices]),
        "valid_fraction": _known(encoded.valid_fraction),
        "reconstruction_loss": _known(encoded.reconstruction_loss),
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(encoded.embeddings.ravel()), type=schema.field("embedding").type
        ),
        "model_digest": [package.digest] * len(index),
    }
    if thumbnail_size is not None:
        columns["thumbnail"] = chip_thumbnails(store, indices, thumbnail_size)
    return pa.Table.from_pydict(columns, schema=schema)


def _known(values: NDArray[np.floating[Any]]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def write_product(
    path: Path,
    parts: Iterable[pa.Table],
    schema: pa.Schema,
    *,
    bounds: tuple[float, float, float, float] | None,
    emb: Mapping[str, Any],
    row_group_bytes: int,
) -> None:
    """Write the product's Parquet file from its parts, in order; memory stays at about one row group and one part.

    Args:
        path: Local file.
        parts: Tables of ``schema``.
        schema: Columns of the product.
        bounds: West, south, east and north in degrees.
        emb: The ``emb`` entry of the footer.
        row_group_bytes: Size of a row group before encoding and compression.
    """
    import pyarrow.parquet as pq

    described = schema.with_metadata(geo_metadata(bounds, emb))
    # Thumbnails vary, so that a typical one is assumed; 500 bytes are for all that is neither a vector nor a picture.
    row_bytes = 4 * schema.field("embedding").type.list_size + 500 + (2500 if "thumbnail" in schema.names else 0)
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
        for group in _groups(parts, schema, max(1, row_group_bytes // row_bytes)):
            writer.write_table(group.combine_chunks().cast(described), row_group_size=len(group))


def _groups(parts: Iterable[pa.Table], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Yield tables of so many rows; where they are cut does not depend on the parts."""
    import pyarrow as pa

    held = schema.empty_table()
    for part in parts:
        held = pa.concat_tables([held, part])
        while len(held) >= rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    if len(held):
        yield held
