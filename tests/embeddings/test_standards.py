"""The documents against the published schemas."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pystac
import pystac.validation
import pytest
import shapely
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

SCHEMAS = Path(__file__).parent / "schemas"
STAC = "https://schemas.stacspec.org/v1.0.0"
EXTENSIONS = "https://stac-extensions.github.io"
FILES = {
    f"{EXTENSIONS}/embeddings/v0.0.1/schema.json": "embeddings-0.0.1.json",
    f"{EXTENSIONS}/processing/v1.2.0/schema.json": "processing-1.2.0.json",
    f"{EXTENSIONS}/processing/v1.1.0/schema.json": "processing-1.1.0.json",
    f"{EXTENSIONS}/mlm/v1.5.2/schema.json": "mlm-1.5.2.json",
    f"{EXTENSIONS}/raster/v1.1.0/schema.json": "raster-1.1.0.json",
    f"{EXTENSIONS}/classification/v1.1.0/schema.json": "classification-1.1.0.json",
    f"{STAC}/catalog-spec/json-schema/catalog.json": "stac-1.0.0-catalog.json",
    f"{STAC}/collection-spec/json-schema/collection.json": "stac-1.0.0-collection.json",
    **{
        f"{STAC}/item-spec/json-schema/{name}.json": f"stac-1.0.0-{name}.json"
        for name in ("item", "basics", "datetime", "instrument", "licensing", "provider")
    },
}


def registry() -> Registry:
    bundled = Path(pystac.validation.__file__).parent / "jsonschemas" / "geojson"
    contents = {uri: json.loads((SCHEMAS / name).read_text()) for uri, name in FILES.items()}
    contents |= {f"https://geojson.org/schema/{f.name}": json.loads(f.read_text()) for f in bundled.glob("*.json")}
    return Registry().with_resources((uri, Resource(body, DRAFT7)) for uri, body in contents.items())


def problems(document: Any, schema: str) -> list[str]:
    validator = Draft7Validator({"$ref": schema}, registry=registry(), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]


def read(product, name: str) -> dict[str, Any]:
    return json.loads((Path(product.output) / name).read_text())


@pytest.mark.parametrize("name", ["collection.json", "item.json", "model.json"])
def test_documents_satisfy_every_extension_that_they_declare(product, name):
    document = read(product, name)
    assert document["stac_extensions"]
    for extension in document["stac_extensions"]:
        assert problems(document, extension) == []


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("collection.json", "collection-spec/json-schema/collection"),
        ("item.json", "item-spec/json-schema/item"),
        ("model.json", "item-spec/json-schema/item"),
    ],
)
def test_documents_are_stac_1_0(product, name, schema):
    assert problems(read(product, name), f"{STAC}/{schema}.json") == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("collection.json", lambda d: d.pop("emb:dimensions")),
        ("collection.json", lambda d: d["links"].pop(2)),
        ("collection.json", lambda d: d.update({"emb:unknown": 1})),
        ("item.json", lambda d: d["assets"].pop("embeddings")),
        ("item.json", lambda d: d["properties"].update({"emb:energy": 3})),
    ],
)
def test_the_schemas_notice_what_is_wrong(product, name, change):
    document = read(product, name)
    change(document)
    assert problems(document, f"{EXTENSIONS}/embeddings/v0.0.1/schema.json")


def test_links_lead_to_what_is_there(product):
    for name in ("collection.json", "item.json", "model.json"):
        document = read(product, name)
        for link in [*document["links"], *document.get("assets", {}).values()]:
            if link.get("rel") == "cite-as":  # publications lie elsewhere
                continue
            assert (Path(product.output) / link["href"]).resolve().is_file(), link


def test_extents_are_those_of_the_rows(product):
    table = pq.read_table(Path(product.output) / "embeddings.parquet")
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    item, collection = read(product, "item.json"), read(product, "collection.json")
    assert item["bbox"] == collection["extent"]["spatial"]["bbox"][0] == shapely.total_bounds(shapes).tolist()
    assert shapely.covers(shapely.buffer(shapely.geometry.shape(item["geometry"]), 1e-9), shapes).all()
    times = table["datetime"].to_pylist()
    assert datetime.fromisoformat(item["properties"]["start_datetime"]) <= min(times)
    assert (max(times) - datetime.fromisoformat(item["properties"]["end_datetime"])).total_seconds() < 0.001


def geo(product) -> dict[str, Any]:
    return json.loads(pq.read_metadata(Path(product.output) / "embeddings.parquet").metadata[b"geo"])


def test_geoparquet_metadata_satisfies_its_schema(product):
    schema = json.loads((SCHEMAS / "geoparquet-1.1.0.json").read_text())
    found = geo(product)
    assert list(Draft7Validator(schema).iter_errors(found)) == []
    found["columns"]["geometry"]["covering"]["bbox"]["xmin"] = ["bbox", "west"]
    assert list(Draft7Validator(schema).iter_errors(found))


def test_geoparquet_metadata_says_what_the_columns_hold(product):
    """What the JSON schema cannot check: the rules on the columns themselves."""
    table = pq.read_table(Path(product.output) / "embeddings.parquet")
    description = geo(product)["columns"]["geometry"]
    field = table.schema.field("geometry")
    assert str(field.type) == "binary"
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    assert {shape.geom_type for shape in shapes} == set(description["geometry_types"])
    assert shapely.total_bounds(shapes).tolist() == description["bbox"]
    assert all(data[:1] == b"\x01" for data in table["geometry"].to_pylist())  # little-endian, as most readers want
    covering = table.schema.field("bbox").type
    assert [covering.field(i).name for i in range(4)] == ["xmin", "ymin", "xmax", "ymax"]
    boxes = [[row[edge] for edge in ("xmin", "ymin", "xmax", "ymax")] for row in table["bbox"].to_pylist()]
    assert boxes == [list(shape.bounds) for shape in shapes]
