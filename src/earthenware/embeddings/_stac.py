"""STAC documents of an embedding product: a Collection and an Item with the ``emb`` extension.

Field names and their meaning: the STAC Embedding extension 0.0.1 and Processing 1.2.0.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from earthenware import __version__, storage
from earthenware.products import EMBEDDINGS_FILE

if TYPE_CHECKING:
    from earthenware.models import Description

COLLECTION_FILE = "collection.json"
ITEM_FILE = "item.json"
MODEL_FILE = "model.json"

_EMB = "https://stac-extensions.github.io/embeddings/v0.0.1/schema.json"
_PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
# The Embedding schema 0.0.1 builds on the core schemas of 1.0.0, which accept that version only.
STAC_VERSION = "1.0.0"
_PARQUET = "application/vnd.apache.parquet"
_USES = ["retrieval", "classification", "change_detection"]


@dataclass(frozen=True)
class ProductFacts:
    """What the documents say of a product.

    Attributes:
        product_id: Id of the collection.
        license: SPDX identifier, ``various`` or ``proprietary``.
        output: URI of the product, which links are relative to.
        store: URI of the chip store.
        model: URI of the directory that holds the model's weights.
        rows: Number of vectors.
        dimensions: Length of a vector.
        chip_size: Edge of a chip in pixels.
        gsd: Ground sampling distance of the pixels in metres.
        bands: Sensor id -> band names, in the model's order.
        model_name: A name for the model that says which one it is.
        description: What is said of the model.
        statistics: Mean and standard deviation (``mean``, ``stddev``) by which each band is normalised, in the order of
            the bands; empty where the model has none.
        architecture: The values of the model's configuration.
        parameters: Number of the model's weights.
        model_digest: Digest of the model.
        bounds: West, south, east, north in degrees.
        footprint: GeoJSON geometry of all rows.
        period: First and last acquisition.
    """

    product_id: str
    license: str
    output: str
    store: str
    model: str
    rows: int
    dimensions: int
    chip_size: int
    gsd: float
    bands: Mapping[str, Sequence[str]]
    model_name: str
    description: Description
    statistics: Sequence[Mapping[str, float]]
    architecture: Mapping[str, bool | int | float | str]
    parameters: int
    model_digest: str
    bounds: tuple[float, float, float, float]
    footprint: Mapping[str, Any]
    period: tuple[datetime, datetime]

    @property
    def all_bands(self) -> list[str]:
        """Band names in the model's order."""
        return [band for bands in self.bands.values() for band in bands]

    def href(self, uri: str) -> str:
        """Return a link to ``uri``: relative to the product where both lie in one file system or bucket."""
        if storage.is_local(uri) and storage.is_local(self.output):
            here, there = storage.normalise(self.output), storage.normalise(uri)
            return os.path.relpath(there, here).replace(os.sep, "/")
        here_parts, parts = urlsplit(self.output), urlsplit(uri)
        if (here_parts.scheme, here_parts.netloc) == (parts.scheme, parts.netloc):
            return posixpath.relpath(parts.path, here_parts.path)
        return storage.redact(uri)


def instant(value: datetime) -> str:
    """Return a moment as STAC writes it."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def footer(facts: ProductFacts) -> dict[str, Any]:
    """Return the ``emb`` entry of the Parquet footer: the collection's fields and where the vectors come from."""
    return {
        "version": "0.0.1",
        "type": "chip",
        "dimensions": facts.dimensions,
        "data_type": "float32",
        "gsd": facts.gsd,
        "chip_layout": _layout(facts),
        "temporal_resolution": "single_acquisition",
        "normalized": False,
        "column": "embedding",
        "distance": "cosine",
        "model": {"name": facts.model_name, "digest": facts.model_digest, "item": MODEL_FILE},
        "source_data": {"sensors": list(facts.bands), "bands": facts.all_bands},
        "license": facts.license,
        "software": {"earthenware": __version__},
    }


def _layout(facts: ProductFacts) -> dict[str, Any]:
    size = [facts.chip_size, facts.chip_size]
    return {"layout_type": "regular_grid", "chip_size": size, "stride": size}


def collection(facts: ProductFacts) -> dict[str, Any]:
    """Return the STAC Collection of a product."""
    return {
        "stac_version": STAC_VERSION,
        "stac_extensions": [_EMB],
        "type": "Collection",
        "id": facts.product_id,
        "title": "Chip embeddings",
        "description": (
            f"{facts.rows} vectors of {facts.dimensions} numbers, one per chip of {facts.chip_size} x "
            f"{facts.chip_size} pixels of {facts.gsd:g} m, from {', '.join(facts.bands)}."
        ),
        "license": facts.license,
        "extent": {
            "spatial": {"bbox": [list(facts.bounds)]},
            "temporal": {"interval": [[instant(moment) for moment in facts.period]]},
        },
        "emb:type": "chip",
        "emb:dimensions": facts.dimensions,
        "data_type": "float32",
        "gsd": facts.gsd,
        "emb:chip_layout": _layout(facts),
        "emb:temporal_resolution": "single_acquisition",
        "emb:fit_for_use": _USES,
        "summaries": {"emb:type": ["chip"], "emb:dimensions": [facts.dimensions], "data_type": ["float32"]},
        "links": [
            {"rel": "root", "href": f"./{COLLECTION_FILE}", "type": "application/json"},
            {"rel": "item", "href": f"./{ITEM_FILE}", "type": "application/geo+json"},
            {
                "rel": "emb:model",
                "href": f"./{MODEL_FILE}",
                "type": "application/geo+json",
                "title": "The model that made the vectors, as a STAC MLM Item",
            },
            _source(facts),
        ],
        "item_assets": {
            "embeddings": {"type": _PARQUET, "roles": ["data"], "title": "Vectors, one row per chip (GeoParquet)"}
        },
    }


def _source(facts: ProductFacts) -> dict[str, Any]:
    return {
        "rel": "emb:source-data",
        "href": facts.href(storage.join(facts.store, "store.json")),
        "type": "application/json",
        "title": "The chip store; each row of the product names the STAC items behind its chip",
    }


def item(facts: ProductFacts) -> dict[str, Any]:
    """Return the STAC Item of a product: one Item for the one file."""
    return {
        "stac_version": STAC_VERSION,
        "stac_extensions": [_EMB, _PROCESSING],
        "type": "Feature",
        "id": f"{facts.product_id}-item",
        "collection": facts.product_id,
        "bbox": list(facts.bounds),
        "geometry": dict(facts.footprint),
        "properties": {
            "datetime": None,
            "start_datetime": instant(facts.period[0]),
            "end_datetime": instant(facts.period[1]),
            "gsd": facts.gsd,
            "processing:software": {"earthenware": __version__},
            "emb:runtime_parameters": {
                "bands": facts.all_bands,
                "chip_size": facts.chip_size,
                "stride": facts.chip_size,
                "pooling": facts.description.pooling,
                "model_digest": facts.model_digest,
            },
            "emb:preprocessing": {
                "format": "text",
                "expression": (
                    "per band (value - mean) / std with the statistics of the model; clouds, shadows, saturated "
                    "pixels and nodata are left out"
                ),
            },
        },
        "links": [
            {"rel": "root", "href": f"./{COLLECTION_FILE}", "type": "application/json"},
            {"rel": "parent", "href": f"./{COLLECTION_FILE}", "type": "application/json"},
            {"rel": "collection", "href": f"./{COLLECTION_FILE}", "type": "application/json"},
            {"rel": "emb:model", "href": f"./{MODEL_FILE}", "type": "application/geo+json"},
            _source(facts),
        ],
        "assets": {
            "embeddings": {
                "href": f"./{EMBEDDINGS_FILE}",
                "type": _PARQUET,
                "roles": ["data"],
                "title": "Vectors, one row per chip (GeoParquet)",
            }
        },
    }
