"""From chips and their vectors to rows of the product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore, column
from earthenware.embeddings._schema import product_schema
from earthenware.pages import encode_jpeg, natural_colour
from earthenware.sensors import S2

if TYPE_CHECKING:
    import pyarrow as pa

    from earthenware.inference import ChipEmbeddings


def product_rows(
    store: ChipStore,
    indices: NDArray[np.int64],
    encoded: ChipEmbeddings,
    *,
    sensors: Sequence[str],
    model_digest: str,
    thumbnail_size: int | None,
) -> pa.Table:
    """Return the product's rows of some chips.

    Args:
        store: The chips.
        indices: Chip numbers `[chip]`, in the order of ``encoded``.
        encoded: What the model says of them.
        sensors: Ids of the sensors that the model reads.
        model_digest: Digest of the model.
        thumbnail_size: Longest edge of a thumbnail in pixels; None for no thumbnails.
    """
    import pyarrow as pa
    import shapely

    index = store.index.take(pa.array(indices))
    dimensions = encoded.embeddings.shape[1]
    schema = product_schema(dimensions, thumbnails=thumbnail_size is not None)
    bounds = shapely.bounds(shapely.from_wkb(index["geometry"].to_numpy(zero_copy_only=False)))
    edges = ("xmin", "ymin", "xmax", "ymax")
    box = pa.StructArray.from_arrays(
        [pa.array(bounds[:, i].astype(np.float64)) for i in range(4)], fields=list(schema.field("bbox").type)
    )
    assert [field.name for field in box.type] == list(edges)
    present = {sensor: index[column(sensor, "present")].to_pylist() for sensor in sensors}
    items = {sensor: index[column(sensor, "items")].to_pylist() for sensor in sensors}
    rows = range(len(indices))
    columns: dict[str, Any] = {
        "id": index["chip_id"],
        "geometry": index["geometry"],
        "bbox": box,
        "source_items": [[i for s in sensors if present[s][row] for i in items[s][row] or []] for row in rows],
        "sensors": [[s for s in sensors if present[s][row]] for row in rows],
        "cloud_fraction": index[column(S2.id, "cloud_fraction")] if S2.id in store.sensors else [None] * len(index),
        "valid_fraction": _known(encoded.valid_fraction),
        "reconstruction_loss": _known(encoded.reconstruction_loss),
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(np.ascontiguousarray(encoded.embeddings, np.float32).ravel()),
            type=schema.field("embedding").type,
        ),
        "model_digest": [model_digest] * len(index),
    }
    if thumbnail_size is not None:
        columns["thumbnail"] = [_thumbnail(store, int(i), thumbnail_size) for i in indices]
    for name in ("lon", "lat", "datetime", "gsd", "site", "split", "scene_id", "crs"):
        columns[name] = index[name]
    arrays = []
    for field in schema:
        values = columns[field.name]
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        arrays.append(values if isinstance(values, pa.Array) else pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _known(values: NDArray[np.floating[Any]]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _thumbnail(store: ChipStore, chip: int, size: int) -> bytes | None:
    """Return a true-colour JPEG of a chip; None where it has no optical image."""
    if S2.id not in store.sensors or not store.present(S2.id)[chip]:
        return None
    values, _ = store.read(S2.id, chip)
    bands = store.sensors[S2.id].bands
    picture = natural_colour(np.stack([values[bands.index(band)] for band in ("B04", "B03", "B02")]))
    return encode_jpeg(picture, 80, size, full_colour=False)
