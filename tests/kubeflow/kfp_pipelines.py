"""A pipeline and a run of it as a Kubeflow Pipelines API sees them: protobufs, parameters, and Argo's nodes."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_NEVER = "0001-01-01T00:00:00Z"
_NUMBER = (int, float)
_TYPES = {
    "NUMBER_DOUBLE": _NUMBER,
    "NUMBER_INTEGER": _NUMBER,
    "STRING": str,
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}


class RefusedError(Exception):
    """A request that the server understands and refuses."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def moment(seconds: float) -> str:
    return (_START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def fnv(text: str) -> int:
    """FNV-1a, 32 bits, with which Argo names its nodes."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def parse_package(text: str) -> dict:
    """An uploaded pipeline as the API gives it back; unknown fields are refused."""
    try:
        first, *more = yaml.load_all(text, yaml.CSafeLoader)
        spec = json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec())
        platform = json_format.ParseDict(more[0] if more else {}, pipeline_spec_pb2.PlatformSpec())
        config = json_format.MessageToDict(spec.deployment_spec)
        json_format.ParseDict(config, pipeline_spec_pb2.PipelineDeploymentConfig())
        for executor in platform.platforms["kubernetes"].deployment_spec.executors.values() if more else ():
            value = json_format.MessageToDict(executor)
            json_format.ParseDict(value, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except (json_format.ParseError, yaml.YAMLError, ValueError) as error:
        raise RefusedError(400, f"Failed to create a pipeline version: {error}") from None
    pipeline = json_format.MessageToDict(spec)
    return {"pipeline_spec": pipeline, "platform_spec": json_format.MessageToDict(platform)} if more else pipeline


def check_parameters(document: dict, values: dict) -> None:
    """The server's own check of a run's parameters (validatePipelineJobInputs)."""
    pipeline = json_format.ParseDict(document.get("pipeline_spec", document), pipeline_spec_pb2.PipelineSpec())
    declared = pipeline.root.input_definitions.parameters
    extra = sorted(set(values) - set(declared))
    if extra:
        raise RefusedError(400, f"parameter(s) provided are not required by pipeline: {', '.join(extra)}")
    for name, parameter in declared.items():
        if name not in values:
            if not parameter.is_optional and not parameter.HasField("default_value"):
                raise RefusedError(400, f"parameter {name} is not optional, yet has neither default nor user value")
            continue
        value = values[name]
        kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(parameter.parameter_type)
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
            raise RefusedError(400, f"input parameter {name} is not of the required type, but {type(value).__name__}")


def task_details(run_id: str, document: dict, steps: dict) -> list[dict]:
    """A run's Argo nodes as the server lists them: no pod names, no parents, only names and the ids of children."""
    spec = document.get("pipeline_spec", document)
    dags = {"": spec["root"]["dag"]} | {
        name: component["dag"] for name, component in spec["components"].items() if "dag" in component
    }
    looped = {
        name: loop
        for loop, task in dags[""]["tasks"].items()
        if task["componentRef"]["name"] in dags
        for name in dags[task["componentRef"]["name"]]["tasks"]
    }
    workflow = "earthenware-pretrain-x7k2p"
    nodes: list[dict] = []

    def add(name, state, children=(), begin=0.0, end=None):
        done = state in ("SUCCEEDED", "FAILED") and end is not None
        node = {
            "run_id": run_id,
            "task_id": str(uuid.uuid4()),
            "display_name": name,
            "create_time": moment(0),
            "start_time": moment(begin),
            "end_time": moment(end) if done else _NEVER,
            "child_tasks": [{"pod_name": f"{workflow}-{fnv('.'.join((workflow, *path)))}"} for path in children],
        }
        nodes.append(node if state is None else {**node, "state": state})

    for order, (name, given) in enumerate(steps.items()):
        parts = given if isinstance(given, list) else [given]
        base = ("root", looped[name]) if name in looped else ("root",)
        if name in looped:
            iterations = [(*base, f"iteration-iterations({part}:{part})") for part in range(len(parts))]
            add("iteration-iterations", "RUNNING", iterations)
        for part, entry in enumerate(parts):
            state, pods = entry if isinstance(entry, tuple) else (entry, 1)
            inside = (*base, f"iteration-iterations({part}:{part})", "iteration-item") if name in looped else base
            path = (*inside, name)
            begin = 100.0 * order
            task = next(dag["tasks"][name] for dag in dags.values() if name in dag["tasks"])
            add(f"{name}-driver", "SUCCEEDED", [path], begin, begin + 1)
            add(name, state, [(*path, "executor")], begin, begin + 65)
            # A step that is tried again has a node for the trying, with a pod per try below it.
            tries = [(*path, f"executor({number})") for number in range(pods)] if "retryPolicy" in task else []
            add("executor", state, tries, begin, begin + 65)
            for number in range(len(tries)):
                add(f"executor({number})", state if number == pods - 1 else "FAILED", (), begin, begin + 60)
    return nodes
