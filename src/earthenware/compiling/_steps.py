"""What a profile says about one step's pod: typed, sparse, and merged field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from earthenware.launch import DnsName, Quantity, Resources, SecretEnv, Toleration, looks_secret


class Frozen(BaseModel):
    """A part of a profile."""

    # A number is a fine value of an environment variable; an input may be a secret, so that no error shows one.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True)


def _plain(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if looks_secret(name, value):
            raise ValueError(f"{name} looks like a secret: name an existing Secret under 'secrets' instead")
    return values


LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
    ),
]
"""Key of a Kubernetes label or annotation, such as ``example.com/team``."""
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Environment = Annotated[dict[Variable, str], AfterValidator(_plain)]


class Retries(Frozen):
    """How often Kubeflow starts a failed step anew; a step resumes from what it had committed."""

    count: int = Field(2, ge=0, le=100, description="Retries after the first failure (number); 0 for none")
    backoff_seconds: int = Field(30, ge=1, le=86400, description="Wait before the first retry (seconds)")
    factor: float = Field(2.0, ge=1, le=10, description="Each further wait is so many times the one before (factor)")
    max_backoff_seconds: int = Field(600, ge=1, le=86400, description="Longest wait between two tries (seconds)")


class Security(Frozen):
    """Whom a step's container runs as; the image's own user and group are 10001."""

    user: int = Field(10001, ge=1, description="User id of the process (number); never 0, which is root")
    group: int = Field(10001, ge=0, description="Group id of the process (number)")
    non_root: Literal[True] = Field(True, description="Kubernetes refuses to start the container as root")


class RaySection(Frozen):
    """The KubeRay RayJob of a step. What is left out here comes from the step: see docs/profiles.md."""

    head: Resources | None = Field(None, description="The head pod: CPU (cores), memory (bytes), accelerators")
    worker: Resources | None = Field(None, description="Each worker pod: CPU (cores), memory (bytes), accelerators")
    workers_per_pod: int | None = Field(None, ge=1, description="Ray workers that share one worker pod (number)")
    shared_memory: Quantity | None = Field(None, description="Size of /dev/shm of each Ray pod (bytes, such as 8Gi)")
    scratch: Quantity | None = Field(
        None, description="Most that a Ray pod may write to /scratch (bytes, such as 50Gi)"
    )
    node_selector: dict[LabelKey, LabelValue] = Field({}, description="Labels of the nodes that Ray pods may run on")
    tolerations: tuple[Toleration, ...] = Field((), description="Taints that the Ray pods tolerate")
    labels: dict[LabelKey, LabelValue] = Field({}, description="Labels of the Ray pods")
    annotations: dict[LabelKey, str] = Field({}, description="Annotations of the Ray pods")
    environment: Environment = Field({}, description="Plain variables of the Ray pods; never a secret")
    secrets: tuple[SecretEnv, ...] = Field((), description="Variables of the Ray pods out of existing Secrets")
    namespace: str = Field("", description="Namespace of the RayJob; empty for that of the pod that creates it")
    service_account: str = Field("", description="Service account of the Ray pods; empty for the namespace's default")
    priority_class: str = Field("", description="PriorityClass of the Ray pods; empty for none")
    deadline_seconds: int | None = Field(None, ge=60, description="The RayJob may live so long (seconds)")
    pending_seconds: int | None = Field(None, ge=60, description="It may wait so long for its pods (seconds)")
    ttl_seconds: int | None = Field(None, ge=0, description="Its cluster is kept so long after the end (seconds)")
    auth_mode: Literal["token", "disabled"] = Field("token", description="Authentication between the Ray pods")


class StepSettings(Frozen):
    """Everything that a profile may say about a step. What is left out keeps the cluster's default."""

    resources: Resources | None = Field(
        None, description="CPU (cores), memory (bytes) and accelerators (number) of the container: request and limit"
    )
    shared_memory: Quantity | None = Field(
        None, description="Size of /dev/shm, taken from the memory (bytes, such as 2Gi)"
    )
    scratch: Quantity | None = Field(
        None, description="Mounts an emptyDir at /scratch, the only writable place, of at most this size (bytes)"
    )
    node_selector: dict[LabelKey, LabelValue] = Field({}, description="Labels of the nodes that the pod may run on")
    tolerations: tuple[Toleration, ...] = Field((), description="Taints that the pod tolerates")
    environment: Environment = Field({}, description="Plain variables, such as AWS_ENDPOINT_URL; never a secret")
    secrets: tuple[SecretEnv, ...] = Field((), description="Variables that come out of existing Secrets, by name")
    retries: Retries | None = Field(None, description="Retries with growing waits (number, seconds)")
    timeout_seconds: int | None = Field(None, ge=60, le=2**31 - 1, description="One try may take so long (seconds)")
    labels: dict[LabelKey, LabelValue] = Field({}, description="Labels of the pod")
    annotations: dict[LabelKey, str] = Field({}, description="Annotations of the pod")
    queue: DnsName | Literal[""] = Field(
        "", description="Kueue local queue of the pod, or of the RayJob where there is one; empty for none"
    )
    security: Security | None = Field(None, description="User and group that the container runs as (numbers)")
    ray: RaySection | None = Field(None, description="Run the step's work as a KubeRay RayJob; only train can")


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` overridden by ``top``: mappings are merged key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged
