"""The schema of the values: complete, and closed at every level."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import helm_python
import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.charts.release import CHART, EXAMPLES, VARIANTS, Document, chart

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())

MAPS = {"commonLabels", "commonAnnotations", "annotations", "podAnnotations", "nodeSelector", "matchLabels"}
"""Values whose keys are the user's own: names and strings."""


def resolve(schema: Document) -> Document:
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def objects(schema: Document, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Document]]:
    """Yield the path and the schema of every object, in arrays too."""
    schema = resolve(schema)
    if schema.get("type") == "object":
        yield path, schema
        for name, one in schema.get("properties", {}).items():
            yield from objects(one, (*path, name))
    elif schema.get("type") == "array":
        yield from objects(schema["items"], (*path, "[]"))


OBJECTS = dict(objects(SCHEMA))


@pytest.mark.parametrize("path", [path for path in OBJECTS if path != ("global",)], ids=".".join)
def test_every_object_is_closed_or_holds_only_strings(path: tuple[str, ...]) -> None:
    expected: Any = {"type": "string"} if path and path[-1] in MAPS else False
    assert OBJECTS[path].get("additionalProperties") == expected


def test_the_walk_sees_the_whole_schema() -> None:
    assert {(), ("trial", "seaweedfs", "image"), ("mlflow", "tolerations", "[]")} <= set(OBJECTS)
    assert ("mlflow", "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "[]") in OBJECTS


def sections(values: Document, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, one in values.items():
        if isinstance(one, dict) and name not in MAPS:
            yield from sections(one, (*path, name))


SECTIONS = list(sections(DEFAULTS))


@given(st.sampled_from(SECTIONS), st.text("abcdefghijklmnopqrstuvwxyzABCXYZ_-", min_size=1, max_size=12))
def test_an_unknown_key_is_refused_in_every_section(path: tuple[str, ...], key: str) -> None:
    known = OBJECTS[path]["properties"]
    values = copy.deepcopy(DEFAULTS)
    node = values
    for part in path:
        node = node[part]
    if key in known:
        return
    node[key] = "x"
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        VALIDATOR.validate(values)


@pytest.mark.parametrize("path", SECTIONS, ids=".".join)
def test_helm_itself_refuses_unknown_keys(path: tuple[str, ...]) -> None:
    values: Document = {}
    node = values
    for part in path:
        node = node.setdefault(part, {})
    node["unknownKey"] = 1
    with pytest.raises(helm_python.HelmValuesError, match="unknownKey"):
        chart().validate_schema(values)


def test_the_schema_describes_every_default_and_nothing_else() -> None:
    for path in SECTIONS:
        section = DEFAULTS
        for part in path:
            section = section[part]
        known = set(OBJECTS[path]["properties"]) - ({"global"} if not path else set())
        optional = {"ephemeral-storage"}
        if path != ("mlflow", "affinity"):
            assert set(section) == known - optional, path


def test_defaults_and_examples_are_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(DEFAULTS)
    assert len(EXAMPLES) == 2
    for values in VARIANTS.values():
        chart().validate_schema(values)
    chart().validate_schema({"global": {"storageClass": "fast"}})


@pytest.mark.parametrize(
    "values",
    [
        {"image": {"tag": "latest"}},
        {"image": {"digest": "sha256:abc"}},
        {"trial": {"postgresql": {"image": {"tag": "", "digest": ""}}}},
        {"database": {"host": "user:pa55@db"}},
        {"database": {"host": "postgresql://db"}},
        {"database": {"name": "mlflow;drop"}},
        {"database": {"existingSecret": ""}},
        {"database": {"sslMode": "prefer"}},
        {"database": {"password": "x"}},
        {"store": {"endpoint": "http://key:secret@s3"}},
        {"store": {"endpoint": "s3.example.org"}},
        {"store": {"bucket": "Not_A_Bucket"}},
        {"store": {"bucket": "x'); import os"}},
        {"kubeflow": {"host": "https://user:pa55@kubeflow"}},
        {"mlflow": {"replicas": 0}},
        {"mlflow": {"port": 80}},
        {"mlflow": {"allowedHosts": ["*"]}},
        {"mlflow": {"extraEnv": [{"name": "MY_PASSWORD", "value": "x"}]}},
        {"mlflow": {"extraEnv": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]}},
        {"mlflow": {"extraEnv": [{"name": "URL", "value": "https://user:pa55@host"}]}},
        {"mlflow": {"resources": {"limits": {"memory": None}}}},
        {"mlflow": {"resources": {"requests": {"cpu": "much"}}}},
        {"networkPolicy": {"storeCidrs": ["example.org"]}},
        {"steps": {"rbac": {"kubeflowRole": {"kind": "User"}}}},
    ],
    ids=str,
)
def test_wrong_values_are_refused(values: Document) -> None:
    with pytest.raises(helm_python.HelmValuesError):
        chart().validate_schema(values)
