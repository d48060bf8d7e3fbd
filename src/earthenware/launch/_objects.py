"""The RayJob object: a pure function of the settings and of what is launched."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from earthenware import __version__
from earthenware.errors import EarthenwareError
from earthenware.launch._pods import head_group, submitter_template, worker_group
from earthenware.launch._settings import RayJobSettings

MANAGER: Final = "earthenware"
OUTPUT: Final = "earthenware.github.io/output"
"""Annotation that says what a job makes."""
LONGEST_NAME: Final = 47
"""Characters that KubeRay allows in the name of a RayJob."""

_PASSED_ON: Final = (
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_SKIP_SIGNATURE",
    "EARTHENWARE_LEASE_SECONDS",
    "EARTHENWARE_STORE_SECONDS",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
    "MLFLOW_TRACKING_URI",
)
"""Variables of the launching pod that the job is given; each may be read by everybody who may read a RayJob."""


@dataclass(frozen=True)
class Owner:
    """The pod that launches a job; with it goes the job."""

    name: str
    uid: str
    namespace: str


@dataclass(frozen=True)
class Launch:
    """What a Ray job is for.

    ``run`` is the id of the pipeline run, empty outside of one; so many Ray ``workers`` must fit at once; outside of a
    cluster there is no owner; head and workers get the environment.
    """

    namespace: str
    step: str
    output: str
    run: str
    entrypoint: str
    workers: int
    owner: Owner | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def job_name(step: str, run: str, output: str, number: int) -> str:
    """Return the name of a job: the same for the same step, run and output, so that no second one is made by accident.

    ``run`` is empty outside of a pipeline; ``number`` tells how many jobs of this name were there before and failed.
    """
    digest = hashlib.sha256("\0".join([run, step, output]).encode()).hexdigest()[:12]
    tail = f"-{digest}-{number}"
    word = re.sub(r"[^a-z0-9]+", "-", step.lower()).strip("-") or "step"
    return f"ew-{word[: LONGEST_NAME - len(tail) - 3].strip('-')}{tail}"


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of a process's environment is given to the job's pods; an address with a password is refused."""
    found = {name: environment[name] for name in _PASSED_ON if environment.get(name)}
    for name, value in found.items():
        if "@" in urlsplit(value).netloc:
            message = f"{name} holds a user name or password, which a RayJob would show to others."
            raise EarthenwareError("SECRET_IN_URL", message, "Give the address alone, and the login by a Secret.")
    return found


def ray_job(settings: RayJobSettings, launch: Launch, name: str) -> dict[str, Any]:
    """Return the RayJob to create, of ``ray.io/v1``."""
    labels = {
        **settings.labels,
        "app.kubernetes.io/component": launch.step,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/name": "earthenware",
        "app.kubernetes.io/version": re.sub(r"[^A-Za-z0-9_.-]", "_", __version__),
    }
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": launch.namespace,
        "labels": labels | ({"kueue.x-k8s.io/queue-name": settings.queue} if settings.queue else {}),
        "annotations": {**settings.annotations, OUTPUT: launch.output},
    }
    # An owner in another namespace counts as gone: the job would be removed at once.
    if launch.owner is not None and launch.owner.namespace == launch.namespace:
        pod = {"apiVersion": "v1", "kind": "Pod", "name": launch.owner.name, "uid": launch.owner.uid}
        metadata["ownerReferences"] = [{**pod, "controller": False, "blockOwnerDeletion": False}]
    spec: dict[str, Any] = {
        "entrypoint": launch.entrypoint,
        "submissionMode": "K8sJobMode",
        "submitterConfig": {"backoffLimit": 0},
        "backoffLimit": 0,  # what is tried again is the step, by the pipeline
        "activeDeadlineSeconds": settings.deadline_seconds,
        "preRunningDeadlineSeconds": settings.pending_seconds,
        **_end(settings),
        "submitterPodTemplate": submitter_template(settings, labels),
        "rayClusterSpec": {
            "rayVersion": importlib.metadata.version("ray"),
            "authOptions": {"mode": settings.auth_mode},
            "enableInTreeAutoscaling": False,
            "headGroupSpec": head_group(settings, labels, launch.environment),
            "workerGroupSpecs": [worker_group(settings, labels, launch.environment, launch.workers)],
        },
    }
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata, "spec": spec}


def _end(settings: RayJobSettings) -> dict[str, Any]:
    """Return what becomes of a job that ended: KubeRay takes deletion rules or the older fields, never both."""
    if settings.queue:  # Kueue suspends jobs, which KubeRay allows only with the older fields
        return {"shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": settings.ttl_seconds}
    rules = [
        {"policy": "DeleteSelf", "condition": {**condition, "ttlSeconds": settings.ttl_seconds}}
        for condition in ({"jobStatus": "SUCCEEDED"}, {"jobDeploymentStatus": "Failed"})
    ]
    return {"shutdownAfterJobFinishes": False, "deletionStrategy": {"deletionRules": rules}}
