"""The steps of a run: how far each is, the lines that say it, and the Argo pods behind it.

Kubeflow's API lists a run's Argo nodes by display name and names a node's children by their ids, but says neither which
node a task is nor which pod it had. Argo makes an id from the path of a node (``WORKFLOW-`` and the FNV-1a hash of
``WORKFLOW.root.train.executor``), and Kubeflow makes that path from the pipeline: so both can be worked out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, takewhile
from typing import Any, Final

from earthenware.steps import describe_seconds

ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
_LEFT_OUT: Final = (None, "RUNTIME_STATE_UNSPECIFIED")
"""State of a node that Argo left out, because one before it failed."""
_ORDER: Final = ("FAILED", "CANCELED", "CANCELING", "RUNNING", "PAUSED", "PENDING", "SUCCEEDED", "SKIPPED")
"""Of several iterations of a step, the state named first is the step's."""


@dataclass(frozen=True)
class Step:
    """A step of a pipeline.

    Attributes:
        path: Names of the nodes above it and its own; ``*`` stands for each iteration of the loop before it.
        template: Name of the Argo template of its pods.
    """

    name: str
    path: tuple[str, ...]
    template: str
    retried: bool


def steps_of(document: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a pipeline as the API gives its spec; empty when the spec is not understood.

    That is a PipelineSpec as JSON, or a mapping with ``pipeline_spec`` and ``platform_spec``.
    """
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2 as pb

    try:
        given = document.get("pipeline_spec", document)
        spec = json_format.ParseDict(given, pb.PipelineSpec(), ignore_unknown_fields=True)
        given = document.get("platform_spec") or {}
        platform = json_format.ParseDict(given, pb.PlatformSpec(), ignore_unknown_fields=True)
    except json_format.ParseError:
        return []
    return list(_walk(spec.root.dag, spec, platform.platforms["kubernetes"].deployment_spec.executors, ("root",)))


def _walk(dag: Any, spec: Any, executors: Any, path: tuple[str, ...]) -> Iterator[Step]:
    from google.protobuf.json_format import MessageToDict, ParseDict
    from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

    for name, task in sorted(dag.tasks.items()):
        component = spec.components[task.component_ref.name]
        below = (*path, name, "*", "iteration-item") if task.WhichOneof("iterator") else (*path, name)
        if component.HasField("dag"):
            yield from _walk(component.dag, spec, executors, below)
            continue
        retried = task.HasField("retry_policy")
        template = "retry-system-container-impl" if retried else "system-container-impl"
        config = MessageToDict(executors[component.executor_label])
        metadata = ParseDict(config, KubernetesExecutorConfig(), ignore_unknown_fields=True).pod_metadata
        if metadata.annotations or metadata.labels:
            template = f"metadata-{len(metadata.annotations)}-{len(metadata.labels)}-{template}"
        yield Step(name, below, template, retried)


def node_id(workflow: str, path: Iterable[str]) -> str:
    """Return the id that Argo gives to the node at a path below a workflow."""
    value = 0x811C9DC5
    for byte in ".".join((workflow, *path)).encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{workflow}-{value}"


def attempts(step: Step, nodes: set[str]) -> int:
    """Return how many pods a step has had at most in one iteration, by the ids of a run's nodes; 0 when unknown."""
    return max((len(tries) for tries in _tries(step, nodes)), default=0)


def pods(step: Step, nodes: set[str]) -> list[str]:
    """Return the names of a step's pods, by the ids of a run's nodes: for each iteration the last attempt's."""
    names = []
    for tries in _tries(step, nodes):
        workflow, _, number = tries[-1].rpartition("-")
        names.append(f"{workflow}-{step.template}-{number}")
    return names


def _tries(step: Step, nodes: set[str]) -> Iterator[list[str]]:
    """Yield for each iteration of a step the ids of its pods' nodes, the first attempt first."""
    for workflow in sorted({node.rpartition("-")[0] for node in nodes}):
        for path in _iterations(workflow, step.path, nodes):
            tries: list[str] = []
            if step.retried:
                names = (node_id(workflow, (*path, f"executor({number})")) for number in count())
                tries = list(takewhile(nodes.__contains__, names))
            single = node_id(workflow, (*path, "executor"))
            if tries or single in nodes:
                yield tries or [single]


def _iterations(workflow: str, path: tuple[str, ...], nodes: set[str]) -> Iterator[tuple[str, ...]]:
    if "*" not in path:
        yield path
        return
    place = path.index("*")
    for number in count():
        reached = (*path[:place], f"iteration-iterations({number}:{number})")
        if node_id(workflow, reached) not in nodes:
            return
        yield from _iterations(workflow, (*reached, *path[place + 1 :]), nodes)


@dataclass(frozen=True)
class StepOutcome:
    """What is known of a step.

    Attributes:
        state: Kubeflow's state, such as ``SUCCEEDED``; of several iterations the worst.
        seconds: Time that it took, or has taken so far (seconds); None before its start.
        iterations: Number of its iterations.
        attempts: Number of its pods that it was tried with; 0 when the server does not say.
    """

    name: str
    state: str
    seconds: float | None
    iterations: int = 1
    attempts: int = 0


def outcomes(run: Any, steps: list[Step]) -> list[StepOutcome]:
    """Return what is known of each step that has begun, in the order of beginning."""
    nodes = child_nodes(run)
    found = []
    for step in steps:
        mine = [one for one in details(run) if one.display_name == step.name and one.state not in _LEFT_OUT]
        if not mine:
            continue
        states = {one.state for one in mine}
        state = next((name for name in _ORDER if name in states), "PENDING")
        starts = [start for one in mine if (start := _moment(one.start_time))]
        ends = [end for one in mine if (end := _moment(one.end_time))]
        until = max(ends) if state in ENDED and ends else datetime.now(UTC)
        seconds = max((until - min(starts)).total_seconds(), 0.0) if starts else None
        outcome = StepOutcome(step.name, state, seconds, len(mine), attempts(step, nodes))
        found.append((min(starts) if starts else datetime.max.replace(tzinfo=UTC), outcome))
    return [outcome for _, outcome in sorted(found, key=lambda pair: pair[0])]


def details(run: Any) -> list[Any]:
    """Return what the server tells of a run's Argo nodes."""
    return (run.run_details.task_details if run.run_details else None) or []


def child_nodes(run: Any) -> set[str]:
    """Return the ids of a run's nodes, so far as it names them as some node's children."""
    return {child.pod_name for one in details(run) for child in one.child_tasks or [] if child.pod_name}


def _moment(value: datetime | None) -> datetime | None:
    # The server writes the year 1 or 1970 for what has not happened yet.
    return value if value is not None and value.year > 2000 else None


def change(step: StepOutcome) -> str:
    """Return the line that says a step's new state."""
    text = f"{clock()}  {step.name:<10} {step.state.lower()}"
    if step.iterations > 1:
        text += f" ({step.iterations} parts)"
    if step.state in ENDED and step.seconds is not None:
        text += f" after {describe_seconds(step.seconds)}"
    return f"{text}, {step.attempts - 1} retr{'y' if step.attempts == 2 else 'ies'}" if step.attempts > 1 else text


def heartbeat(run: Any, steps: list[StepOutcome]) -> str:
    """Return the line that says that a run is still alive."""
    running = [f"{one.name} for {describe_seconds(one.seconds or 0)}" for one in steps if one.state == "RUNNING"]
    state = (run.state or "PENDING").lower()
    return f"{clock()}  still running: {', '.join(running)}" if running else f"{clock()}  still {state}"


def clock() -> str:
    """Return the time of day here, with which each line begins."""
    return f"{datetime.now():%H:%M:%S}"
