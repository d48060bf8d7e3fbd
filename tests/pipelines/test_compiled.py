"""The compiled pipelines: up to date, valid, complete for a person who has nothing but the run form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.components import load_component_from_file
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec import pipeline_spec_pb2

from earthenware import __version__
from earthenware.compiling import compiled_pipeline
from earthenware.graph import PIPELINES, arguments, as_parameter, form, load_spec, resolve, spec_type
from pipelines.__main__ import PIPELINES as SOURCES
from pipelines.__main__ import compile_pipelines

ROOT = Path(__file__).resolve().parents[2]
COMPILED = ROOT / "pipelines" / "compiled"


def document(name: str) -> dict[str, Any]:
    return next(iter(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text())))


@pytest.fixture(params=sorted(SOURCES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_committed_yaml_is_what_the_source_compiles_to(tmp_path: Path) -> None:
    for path in compile_pipelines(tmp_path):
        assert path.read_text() == (COMPILED / path.name).read_text(), "run 'make pipelines'"


def test_the_command_line_finds_the_pipeline(name: str) -> None:
    assert compiled_pipeline(name).name == f"{name}.yaml"


def test_the_yaml_is_one_valid_pipeline_spec_and_survives_the_protobuf_unchanged(name: str) -> None:
    (values,) = yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text())
    message = json_format.ParseDict(values, pipeline_spec_pb2.PipelineSpec())
    assert json_format.MessageToDict(message) == values


def misspell(values: Any, path: tuple[str, ...], new: str) -> Any:
    """Rename the field at the end of ``path``; a ``*`` in it stands for the first key there is."""
    *before, last = path
    place = values
    for part in before:
        place = place[next(iter(place)) if part == "*" else part]
    place[new] = place.pop(last)
    return values


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("schemaVersion",), "schemaVersionn"),
        (("root", "dag", "tasks", "train", "dependentTasks"), "dependantTasks"),
        (("root", "inputDefinitions", "parameters", "shards", "defaultValue"), "default"),
        (("components", "comp-build", "inputDefinitions", "artifacts", "scenes", "artifactType"), "artefactType"),
        (("deploymentSpec", "executors", "exec-train", "container", "image"), "imagee"),
    ],
)
def test_a_misspelt_field_is_refused_by_the_protobuf(path: tuple[str, ...], new: str) -> None:
    values = misspell(document("pretrain"), path, new)
    with pytest.raises(json_format.ParseError, match=new):
        parse_strictly(values)


def parse_strictly(values: dict[str, Any]) -> None:
    """Parse a pipeline spec and, as the backend does, the deployment configuration inside it."""
    json_format.ParseDict(values, pipeline_spec_pb2.PipelineSpec())
    # To PipelineSpec this part is free-form; Kubeflow's backend reads it as a message of its own.
    json_format.ParseDict(values["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())


def test_the_deployment_configuration_is_valid(name: str) -> None:
    parse_strictly(document(name))


def test_kubernetes_platform_settings_are_checked_as_strictly(name: str) -> None:
    """What a profile adds becomes a second document: a message of its own with no room for a misspelt field."""
    executors: dict[str, Any] = {"exec-build": {"nodeSelector": {"labels": {"pool": "gpu"}}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
    message = json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    assert json_format.MessageToDict(message) == platform
    assert set(executors) <= set(document(name)["deploymentSpec"]["executors"])
    parsed = json_format.ParseDict(executors["exec-build"], KubernetesExecutorConfig())
    assert json_format.MessageToDict(parsed) == executors["exec-build"]
    misspell(executors, ("exec-build", "nodeSelector", "labels"), "label")
    with pytest.raises(json_format.ParseError, match="label"):
        json_format.ParseDict(executors["exec-build"], KubernetesExecutorConfig())


def test_no_executor_holds_a_resource_a_secret_or_platform_settings(name: str) -> None:
    values = document(name)
    assert "platforms" not in values
    for key, executor in values["deploymentSpec"]["executors"].items():
        assert set(executor) == {"container"}, key
        assert set(executor["container"]) == {"args", "command", "image"}, f"{key}: what it needs is the profile's"


def test_components_are_described_from_end_to_end(name: str) -> None:
    for key, item in document(name)["components"].items():
        if "executorLabel" not in item:  # Kubeflow makes the loop's own
            continue
        for side in ("inputDefinitions", "outputDefinitions"):
            for kind in item.get(side, {}).values():
                for port, definition in kind.items():
                    assert len(definition["description"]) > 8, f"{key}: {port}"


def test_every_parameter_has_type_default_and_description(name: str) -> None:
    inputs = document(name)["root"]["inputDefinitions"]["parameters"]
    for key, item in inputs.items():
        assert item["parameterType"] in {"STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN"}, key
        assert "defaultValue" in item, key
        assert item.get("isOptional"), key
        assert len(item["description"]) > 10, key


def test_the_form_has_few_entries_and_they_are_the_marked_fields(name: str) -> None:
    inputs = document(name)["root"]["inputDefinitions"]["parameters"]
    entries = {entry.name: entry for entry in form(PIPELINES[name])}
    assert set(inputs) == set(entries)
    assert len(inputs) < 20
    assert {"root", "spec", "set", "shards"} < set(inputs)
    for key, entry in entries.items():
        assert inputs[key].get("defaultValue") == entry.default, key
        assert inputs[key]["description"].rstrip(".") == entry.description, key
        if entry.field is not None:
            said = " ".join((entry.field.info.description or "").split()).rstrip(".")
            assert entry.description == said, key
            assert key == "root" or entry.default == as_parameter(entry.field.default), key


def test_a_spec_becomes_parameters_that_the_pipeline_takes_and_reads_back(name: str) -> None:
    component = load_component_from_file(str(COMPILED / f"{name}.yaml"))
    spec = load_spec(name, None, ("query.catalog=items.json", "query.seed=3", "shards=2", "root=s3://bucket/x"))
    given = arguments(PIPELINES[name], spec)
    assert set(given) == set(component.component_spec.inputs)
    assert all(isinstance(value, str | int | float | bool) for value in given.values())
    assert resolve(PIPELINES[name], given) == spec
    assert given["spec"] == "query:\n  seed: 3\n", "what the form has an entry for stands there alone"


def test_every_step_takes_the_spec_of_the_run_and_nothing_repeats_a_field(name: str) -> None:
    values = document(name)
    steps = {step.name: step for step in PIPELINES[name].steps}
    for key, item in values["components"].items():
        step = steps.get(key.removeprefix("comp-"))
        if step is not None:
            given = set(item["inputDefinitions"]["parameters"])
            assert given <= {"root", "package_version", "spec", "shard"}, key
            assert ("spec" in given) == bool(step.spec or step.divides), key


def test_training_waits_for_the_gate() -> None:
    tasks = document("pretrain")["root"]["dag"]["tasks"]
    assert "gate" in tasks["train"]["dependentTasks"]
    assert set(tasks["gate"]["dependentTasks"]) == {"validate", "configure"}
    assert "dependentTasks" not in tasks["configure"]
    loop = next(task for task in tasks.values() if "parameterIterator" in task)
    assert loop["parameterIterator"]["items"]["inputParameter"].endswith("query-Output")
    for task in tasks.values():
        assert not task.get("cachingOptions", {}).get("enableCache")


def test_steps_are_told_the_version_that_compiled_them() -> None:
    text = (COMPILED / "pretrain.yaml").read_text()
    count = text.count(f"constant: {__version__}")
    assert count == len(PIPELINES["pretrain"].steps) + 1, "each task compares its version with the pipeline's"


def test_no_secret_and_no_local_path_in_the_yaml(name: str) -> None:
    text = (COMPILED / f"{name}.yaml").read_text()
    for word in ("SECRET", "PASSWORD", "AWS_", "/home/", "/root/", str(ROOT)):
        assert word not in text


def test_schema_for_editors_knows_every_section(name: str) -> None:
    schema = spec_type(PIPELINES[name]).model_json_schema(by_alias=True)
    assert schema["additionalProperties"] is False
    sections = {step.name for step in PIPELINES[name].steps if step.spec}
    assert set(schema["properties"]) == {"root", "shards", *sections}
