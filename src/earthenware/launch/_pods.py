"""The pods of a Ray job: head, workers and submitter, each within the restricted pod security standard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from earthenware.launch._local import RAY_SETTINGS
from earthenware.launch._settings import RayJobSettings, Resources

SUBMITTER: Final = "ray-job-submitter"
"""Name of the submitter's container, whose log is the job's."""

_USER: Final = 10001
_SUBMITTER_RESOURCES: Final = Resources(cpu="500m", memory="1Gi")  # it imports Ray and relays the log, no more
_SCRATCH: Final = "/scratch"
_FIXED: Final = {
    "EARTHENWARE_ERRORS": "json",  # the launcher reads the error off the log
    "HOME": _SCRATCH,  # the root file system is read-only
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TMPDIR": _SCRATCH,
}


def head_group(settings: RayJobSettings, labels: Mapping[str, str], plain: Mapping[str, str]) -> dict[str, Any]:
    """Return ``headGroupSpec``: the head runs the step itself and no Ray worker."""
    container = _container("ray-head", settings, settings.head, _environment(settings, plain))
    ports = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}
    container["ports"] = [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()]
    return {
        "rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "0", "num-gpus": "0"},
        "template": _template(settings, labels, container, select=not settings.worker.accelerators),
    }


def worker_group(
    settings: RayJobSettings, labels: Mapping[str, str], plain: Mapping[str, str], workers: int
) -> dict[str, Any]:
    """Return one of ``workerGroupSpecs``, with room for ``workers`` Ray workers."""
    from kubernetes.utils import parse_quantity

    pods = math.ceil(workers / settings.workers_per_pod)
    # Ray plans with whole CPUs: a pod must offer one per worker, however little time they need.
    params = {"num-cpus": str(max(settings.workers_per_pod, math.ceil(parse_quantity(settings.worker.cpu))))}
    if settings.worker.accelerators:
        params["num-gpus"] = str(settings.worker.accelerators)
    container = _container("ray-worker", settings, settings.worker, _environment(settings, plain))
    return {
        "groupName": "workers",
        "replicas": pods,
        "minReplicas": pods,
        "maxReplicas": pods,
        "rayStartParams": params,
        "template": _template(settings, labels, container, select=True),
    }


def submitter_template(settings: RayJobSettings, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return ``submitterPodTemplate``: a pod that hands the command to the head; it needs no secret."""
    variables = [{"name": name, "value": value} for name, value in sorted({**_FIXED, **RAY_SETTINGS}.items())]
    container = _container(SUBMITTER, settings, _SUBMITTER_RESOURCES, variables)
    template = _template(settings, labels, container, select=not settings.worker.accelerators)
    template["spec"]["restartPolicy"] = "Never"
    return template


def _environment(settings: RayJobSettings, plain: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return ``env``; a variable that comes out of a Secret is never also written out."""
    values = {**plain, **settings.environment, **RAY_SETTINGS, **_FIXED}
    for item in settings.secrets:
        values.pop(item.variable, None)
    found: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in sorted(values.items())]
    for item in settings.secrets:
        reference = {"name": item.secret, "key": item.key, "optional": item.optional}
        found.append({"name": item.variable, "valueFrom": {"secretKeyRef": reference}})
    return found


def _container(
    name: str, settings: RayJobSettings, resources: Resources, environment: list[dict[str, Any]]
) -> dict[str, Any]:
    amounts = {"cpu": resources.cpu, "memory": resources.memory}
    if resources.accelerator and resources.accelerators:
        amounts[resources.accelerator] = str(resources.accelerators)
    container: dict[str, Any] = {
        "name": name,
        "image": settings.image,
        "env": environment,
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": _SCRATCH},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shared-mem", "mountPath": "/dev/shm"},
        ],
    }
    if settings.image_pull_policy:
        container["imagePullPolicy"] = settings.image_pull_policy
    return container


def _template(
    settings: RayJobSettings, labels: Mapping[str, str], container: dict[str, Any], *, select: bool
) -> dict[str, Any]:
    """Return a pod template; ``select`` is false for pods that need no accelerator and shall not take such a node."""
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,  # nothing in these pods talks to Kubernetes
        "enableServiceLinks": False,
        "securityContext": {
            "fsGroup": _USER,
            "runAsGroup": _USER,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": settings.scratch}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shared-mem", "emptyDir": {"medium": "Memory", "sizeLimit": settings.shared_memory}},
        ],
    }
    tolerations = [item.model_dump() for item in settings.tolerations]
    optional = {
        "serviceAccountName": settings.service_account,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "priorityClassName": settings.priority_class,
        "nodeSelector": dict(settings.node_selector) if select else {},
        "tolerations": [{key: value for key, value in item.items() if value} for item in tolerations],
    }
    spec |= {key: value for key, value in optional.items() if value}
    return {"metadata": {"labels": dict(labels), "annotations": dict(settings.annotations)}, "spec": spec}
