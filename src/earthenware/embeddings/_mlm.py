"""The STAC Item of the model that made a product, with the Machine Learning Model extension (1.5.2)."""

from __future__ import annotations

from typing import Any

from earthenware import storage
from earthenware.embeddings._stac import MODEL_FILE, STAC_VERSION, ProductFacts, instant

_MLM = "https://stac-extensions.github.io/mlm/v1.5.2/schema.json"
# MLM wants the bands described: STAC 1.1 has a field for it, but not where MLM 1.5.2 looks.
_RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"


def model_item(facts: ProductFacts) -> dict[str, Any]:
    """Return the STAC Item of the model (MLM); its place and period are those of the data that it was run on."""
    bands = facts.all_bands
    shape = [-1, len(bands), facts.chip_size, facts.chip_size]
    return {
        "stac_version": STAC_VERSION,
        "stac_extensions": [_MLM, _RASTER],
        "type": "Feature",
        "id": facts.model_name,
        "bbox": list(facts.bounds),
        "geometry": dict(facts.footprint),
        "properties": {
            "datetime": None,
            "start_datetime": instant(facts.period[0]),
            "end_datetime": instant(facts.period[1]),
            "description": facts.description.summary,
            "mlm:name": facts.model_name,
            "mlm:architecture": facts.description.title,
            "mlm:framework": "PyTorch",
            "mlm:tasks": ["similarity-search"],
            "mlm:total_parameters": facts.parameters,
            "mlm:pretrained": True,
            "mlm:hyperparameters": dict(sorted(facts.architecture.items())),
            "mlm:input": [
                {
                    "name": "datacube chip",
                    "bands": bands,
                    "input": {
                        "shape": shape,
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
                    "result": {
                        "shape": [-1, facts.dimensions],
                        "dim_order": ["batch", "embedding"],
                        "data_type": "float32",
                    },
                }
            ],
        },
        "links": [
            {"rel": "self", "href": f"./{MODEL_FILE}", "type": "application/geo+json"},
            *({"rel": "cite-as", "href": url} for url in facts.description.references),
        ],
        "assets": {
            "weights": {
                "href": facts.href(storage.join(facts.model, "model.safetensors")),
                "type": "application/octet-stream; framework=pytorch; profile=safetensors",
                "title": "Weights",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "safetensors.torch.save_file",
                "raster:bands": [
                    {"name": band, "data_type": "float32", **({"statistics": dict(known)} if known else {})}
                    for band, known in zip(bands, facts.statistics, strict=True)
                ],
            }
        },
    }
