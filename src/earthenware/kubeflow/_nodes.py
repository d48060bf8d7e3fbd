"""The steps of a run, and the Argo pods behind them.

Kubeflow's API lists a run's Argo nodes by display name and names a node's children by their ids, but says neither which
node a task is nor which pod it had. Argo makes an id from the path of a node (``WORKFLOW-`` and the FNV-1a hash of
``WORKFLOW.root.train.executor``), and Kubeflow makes that path from the pipeline: so both can be worked out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MOST_ATTEMPTS: Final = 100
_MOST_ITERATIONS: Final = 1000


@dataclass(frozen=True)
class Step:
    """A step of a pipeline.

    Attributes:
        name: Its name, such as ``train``.
        path: Names of the nodes above it and its own; ``*`` stands for each iteration of the loop before it.
        template: Name of the Argo template of its pods.
        retried: Whether the pipeline tries it again when it fails.
    """

    name: str
    path: tuple[str, ...]
    template: str
    retried: bool


def steps_of(document: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a pipeline, as the API gives its spec; empty when the spec is not understood.

    Args:
        document: PipelineSpec as JSON, or a mapping with ``pipeline_spec`` and ``platform_spec``.
    """
    spec = document.get("pipeline_spec", document)
    platforms = (document.get("platform_spec") or {}).get("platforms") or {}
    kubernetes = platforms.get("kubernetes") or {}
    executors = (_get(kubernetes, "deploymentSpec", "deployment_spec") or {}).get("executors") or {}
    dag = (spec.get("root") or {}).get("dag") or {}
    return list(_walk(dag, spec.get("components") or {}, executors, ("root",)))


def _walk(
    dag: Mapping[str, Any], components: Mapping[str, Any], executors: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[Step]:
    for name, task in (dag.get("tasks") or {}).items():
        reference = (_get(task, "componentRef", "component_ref") or {}).get("name", "")
        component = components.get(reference) or {}
        loop = _get(task, "parameterIterator", "parameter_iterator") or _get(
            task, "artifactIterator", "artifact_iterator"
        )
        below = (*path, name, "*", "iteration-item") if loop else (*path, name)
        if component.get("dag"):
            yield from _walk(component["dag"], components, executors, below)
            continue
        retried = bool(_get(task, "retryPolicy", "retry_policy"))
        label = _get(component, "executorLabel", "executor_label") or ""
        metadata = _get(executors.get(label) or {}, "podMetadata", "pod_metadata")
        template = "retry-system-container-impl" if retried else "system-container-impl"
        if metadata:
            counts = f"{len(metadata.get('annotations') or {})}-{len(metadata.get('labels') or {})}"
            template = f"metadata-{counts}-{template}"
        yield Step(name, below, template, retried)


def node_id(workflow: str, path: Iterable[str]) -> str:
    """Return the id that Argo gives to the node at a path below a workflow."""
    value = 0x811C9DC5
    for byte in ".".join((workflow, *path)).encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{workflow}-{value}"


def attempts(step: Step, nodes: set[str]) -> int:
    """Return how many pods a step has had at most in one iteration, by the ids of a run's nodes; 0 when unknown."""
    found = [len(tries) for tries in _tries(step, nodes)]
    return max(found, default=0)


def pods(step: Step, nodes: set[str]) -> list[str]:
    """Return the names of a step's pods, by the ids of a run's nodes: for each iteration the last attempt's."""
    names = []
    for tries in _tries(step, nodes):
        workflow, _, number = tries[-1].rpartition("-")
        names.append(f"{workflow}-{step.template}-{number}")
    return names


def _tries(step: Step, nodes: set[str]) -> Iterator[list[str]]:
    """Yield for each iteration of a step the ids of its pods' nodes, the first attempt first."""
    workflows = {node.rpartition("-")[0] for node in nodes}
    for workflow in sorted(workflows):
        for path in _iterations(workflow, step.path, nodes):
            names = [(*path, f"executor({number})") for number in range(_MOST_ATTEMPTS)] if step.retried else []
            tries = []
            for name in names:
                identity = node_id(workflow, name)
                if identity not in nodes:
                    break
                tries.append(identity)
            single = node_id(workflow, (*path, "executor"))
            if tries or single in nodes:
                yield tries or [single]


def _iterations(workflow: str, path: tuple[str, ...], nodes: set[str]) -> Iterator[tuple[str, ...]]:
    if "*" not in path:
        yield path
        return
    place = path.index("*")
    for number in range(_MOST_ITERATIONS):
        reached = (*path[:place], f"iteration-iterations({number}:{number})")
        if node_id(workflow, reached) not in nodes:
            return
        yield from _iterations(workflow, (*reached, *path[place + 1 :]), nodes)


def _get(mapping: Mapping[str, Any], *names: str) -> Any:
    return next((mapping[name] for name in names if name in mapping), None)
