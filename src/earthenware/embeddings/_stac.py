"""STAC documents of an embedding product: a Collection and an Item with the ``emb`` extension, and the model's Item.

Field names and their meaning: the STAC Embedding extension 0.0.1, Processing 1.2.0 and Machine Learning Model 1.5.2.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from earthenware import __version__, storage
from earthenware.chips import ChipStore
from earthenware.embeddings._spec import EmbedSpec
from earthenware.products import EMBEDDINGS_FILE

if TYPE_CHECKING:
    from earthenware.inference import Package

COLLECTION_FILE = "collection.json"
ITEM_FILE = "item.json"
MODEL_FILE = "model.json"

_EMB = "https://stac-extensions.github.io/embeddings/v0.0.1/schema.json"
_PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
_MLM = "https://stac-extensions.github.io/mlm/v1.5.2/schema.json"
# MLM wants the bands described: STAC 1.1 has a field for it, but not where MLM 1.5.2 looks.
_RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
# The Embedding schema 0.0.1 builds on the core schemas of 1.0.0, which accept that version only.
_STAC_VERSION = "1.0.0"
_TITLE = "Vectors, one row per chip (GeoParquet)"
_ROWS = {"type": "application/vnd.apache.parquet", "roles": ["data"], "title": _TITLE}


@dataclass(frozen=True)
class ProductFacts:
    """What the documents say of a product.

    Attributes:
        spec: What was asked for.
        output: URI of the product, which links are relative to.
        store: The chips.
        package: The model.
        package_uri: URI of the folder that holds the model's weights.
        rows: Number of vectors.
        bounds: West, south, east, north in degrees.
        footprint: GeoJSON geometry of all rows.
        period: First and last acquisition.
    """

    spec: EmbedSpec
    output: str
    store: ChipStore
    package: Package
    package_uri: str
    rows: int
    bounds: tuple[float, float, float, float]
    footprint: Mapping[str, Any]
    period: tuple[datetime, datetime]

    @property
    def interval(self) -> list[str]:
        """First and last acquisition as STAC writes them."""
        moments = (moment.astimezone(UTC).isoformat(timespec="milliseconds") for moment in self.period)
        return [moment.replace("+00:00", "Z") for moment in moments]

    def href(self, uri: str) -> str:
        """Return a link to ``uri``: relative to the product where both lie in one file system or bucket."""
        if storage.is_local(uri) and storage.is_local(self.output):
            here, there = storage.normalise(self.output), storage.normalise(uri)
            return os.path.relpath(there, here).replace(os.sep, "/")
        here_parts, parts = urlsplit(self.output), urlsplit(uri)
        if (here_parts.scheme, here_parts.netloc) == (parts.scheme, parts.netloc):
            return posixpath.relpath(parts.path, here_parts.path)
        return storage.redact(uri)

    def layout(self) -> dict[str, Any]:
        """Return how chips lie in a scene."""
        size = [self.store.chip_size, self.store.chip_size]
        return {"layout_type": "regular_grid", "chip_size": size, "stride": size}

    def feature(self, name: str, extensions: list[str], properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part that all Items share: place and period are those of the rows."""
        first, last = self.interval
        return {
            "stac_version": _STAC_VERSION,
            "stac_extensions": extensions,
            "type": "Feature",
            "id": name,
            "bbox": list(self.bounds),
            "geometry": dict(self.footprint),
            "properties": {"datetime": None, "start_datetime": first, "end_datetime": last, **properties},
        }


def _link(relation: str, file: str, **more: str) -> dict[str, str]:
    media = "application/json" if file == COLLECTION_FILE else "application/geo+json"
    return {"rel": relation, "href": f"./{file}", "type": media, **more}


def _source(facts: ProductFacts) -> dict[str, str]:
    return {
        "rel": "emb:source-data",
        "href": facts.href(storage.join(facts.store.uri, "store.json")),
        "type": "application/json",
        "title": "The chip store; each row of the product names the STAC items behind its chip",
    }


def footer(facts: ProductFacts) -> dict[str, Any]:
    """Return the ``emb`` entry of the Parquet footer: the collection's fields and where the vectors come from."""
    return {
        "version": "0.0.1",
        "type": "chip",
        "dimensions": facts.package.width,
        "data_type": "float32",
        "gsd": facts.store.gsd,
        "chip_layout": facts.layout(),
        "temporal_resolution": "single_acquisition",
        "normalized": False,
        "column": "embedding",
        "distance": "cosine",
        "model": {"name": facts.package.name, "digest": facts.package.digest, "item": MODEL_FILE},
        "source_data": {"sensors": list(facts.package.info.sensors), "bands": facts.package.info.bands},
        "license": facts.spec.license,
        "software": {"earthenware": __version__},
    }


def collection(facts: ProductFacts) -> dict[str, Any]:
    """Return the STAC Collection of a product."""
    width, size, gsd = facts.package.width, facts.store.chip_size, facts.store.gsd
    return {
        "stac_version": _STAC_VERSION,
        "stac_extensions": [_EMB],
        "type": "Collection",
        "id": facts.spec.product_id,
        "title": "Chip embeddings",
        "description": (
            f"{facts.rows} vectors of {width} numbers, one per chip of {size} x {size} pixels of {gsd:g} m, "
            f"from {', '.join(facts.package.info.sensors)}."
        ),
        "license": facts.spec.license,
        "extent": {"spatial": {"bbox": [list(facts.bounds)]}, "temporal": {"interval": [facts.interval]}},
        "emb:type": "chip",
        "emb:dimensions": width,
        "data_type": "float32",
        "gsd": gsd,
        "emb:chip_layout": facts.layout(),
        "emb:temporal_resolution": "single_acquisition",
        "emb:fit_for_use": ["retrieval", "classification", "change_detection"],
        "summaries": {"emb:type": ["chip"], "emb:dimensions": [width], "data_type": ["float32"]},
        "links": [
            _link("root", COLLECTION_FILE),
            _link("item", ITEM_FILE),
            _link("emb:model", MODEL_FILE, title="The model that made the vectors, as a STAC MLM Item"),
            _source(facts),
        ],
        "item_assets": {"embeddings": _ROWS},
    }


def item(facts: ProductFacts) -> dict[str, Any]:
    """Return the STAC Item of a product: one Item for the one file."""
    properties = {
        "gsd": facts.store.gsd,
        "processing:software": {"earthenware": __version__},
        "emb:runtime_parameters": {
            "bands": facts.package.info.bands,
            "chip_size": facts.store.chip_size,
            "stride": facts.store.chip_size,
            "pooling": facts.package.description.pooling,
            "model_digest": facts.package.digest,
        },
        "emb:preprocessing": {
            "format": "text",
            "expression": (
                "per band (value - mean) / std with the statistics of the model; clouds, shadows, saturated "
                "pixels and nodata are left out"
            ),
        },
    }
    return {
        **facts.feature(f"{facts.spec.product_id}-item", [_EMB, _PROCESSING], properties),
        "collection": facts.spec.product_id,
        "links": [
            *(_link(relation, COLLECTION_FILE) for relation in ("root", "parent", "collection")),
            _link("emb:model", MODEL_FILE),
            _source(facts),
        ],
        "assets": {"embeddings": {"href": f"./{EMBEDDINGS_FILE}", **_ROWS}},
    }


def model_item(facts: ProductFacts) -> dict[str, Any]:
    """Return the STAC Item of the model (MLM); its place and period are those of the data that it was run on."""
    package, bands, size = facts.package, facts.package.info.bands, facts.store.chip_size
    properties = {
        "description": package.description.summary,
        "mlm:name": package.name,
        "mlm:architecture": package.description.title,
        "mlm:framework": "PyTorch",
        "mlm:tasks": ["similarity-search"],
        "mlm:total_parameters": package.parameters,
        "mlm:pretrained": True,
        "mlm:hyperparameters": package.hyperparameters,
        "mlm:input": [
            {
                "name": "datacube chip",
                "bands": bands,
                "input": {
                    "shape": [-1, len(bands), size, size],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "description": "Normalised with the statistics in model.json beside the weights; 0 where invalid.",
            }
        ],
        "mlm:output": [
            {
                "name": "embedding",
                "tasks": ["similarity-search"],
                "result": {"shape": [-1, package.width], "dim_order": ["batch", "embedding"], "data_type": "float32"},
            }
        ],
    }
    numbers = package.info.normalization
    statistics = [
        {"statistics": {"mean": float(mean), "stddev": float(std)}} if known else {}
        for mean, std, known in zip(numbers.mean, numbers.std, numbers.known, strict=True)
    ]
    return {
        **facts.feature(package.name, [_MLM, _RASTER], properties),
        "links": [
            _link("self", MODEL_FILE),
            *({"rel": "cite-as", "href": url} for url in package.description.references),
        ],
        "assets": {
            "weights": {
                "href": facts.href(storage.join(facts.package_uri, "model.safetensors")),
                "type": "application/octet-stream; framework=pytorch; profile=safetensors",
                "title": "Weights",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "safetensors.torch.save_file",
                "raster:bands": [
                    {"name": band, "data_type": "float32", **known}
                    for band, known in zip(bands, statistics, strict=True)
                ],
            }
        },
    }
