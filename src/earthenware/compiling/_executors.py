"""Writing a step's settings into the protobufs of one executor, as the kfp SDK's own calls would."""

from __future__ import annotations

from typing import Any, Final

from earthenware.compiling._profile import Profile
from earthenware.compiling._steps import Retries
from earthenware.launch import SETTINGS_VARIABLE, Resources, SecretEnv
from earthenware.steps import canonical_json

QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
SCRATCH: Final = "/scratch"
"""Where the image expects its one writable folder: TMPDIR and HOME point there."""


def edit_container(container: Any, name: str, profile: Profile, image: str) -> None:
    """Set image, resources and environment of a step's ``PipelineContainerSpec``; no image keeps its own."""
    step = profile.step(name)
    if image:
        container.image = image
    if step.resources is not None:
        _set_resources(container.resources, step.resources)
    environment = dict(step.environment)
    ray_job = profile.ray_job(name, container.image)
    if ray_job is not None:
        # Only what differs from the defaults: a compiled pipeline is read by the version that compiled it.
        environment[SETTINGS_VARIABLE] = canonical_json(ray_job.model_dump(mode="json", exclude_defaults=True))
    kept = [(one.name, one.value) for one in container.env if one.name not in environment]
    del container.env[:]
    for variable, value in (*kept, *environment.items()):
        container.env.add(name=variable, value=value)


def _set_resources(target: Any, resources: Resources) -> None:
    from kubernetes.utils import parse_quantity

    target.resource_cpu_request = target.resource_cpu_limit = resources.cpu
    target.resource_memory_request = target.resource_memory_limit = resources.memory
    # The fields without resource_ are the older ones, in cores and 10^9 bytes; the SDK writes both.
    target.cpu_request = target.cpu_limit = float(parse_quantity(resources.cpu))
    target.memory_request = target.memory_limit = float(parse_quantity(resources.memory)) / 1e9
    if resources.accelerators:
        target.accelerator.resource_type = target.accelerator.type = resources.accelerator
        target.accelerator.resource_count = str(resources.accelerators)
        target.accelerator.count = resources.accelerators


def edit_retries(policy: Any, retries: Retries) -> None:
    """Set the ``RetryPolicy`` of a task."""
    policy.max_retry_count, policy.backoff_factor = retries.count, retries.factor
    policy.backoff_duration.FromSeconds(retries.backoff_seconds)
    policy.backoff_max_duration.FromSeconds(retries.max_backoff_seconds)


def edit_config(config: Any, name: str, profile: Profile) -> None:
    """Lay the profile's settings over a step's ``KubernetesExecutorConfig``."""
    step = profile.step(name)
    if profile.image_pull_policy:
        config.image_pull_policy = profile.image_pull_policy
    for secret in profile.image_pull_secrets:
        _name(config.image_pull_secret.add(), secret)
    _add_secrets(config, step.secrets)
    if step.shared_memory is not None:
        mount = {"volume_name": "shared-memory", "mount_path": "/dev/shm", "medium": "Memory"}
        config.empty_dir_mounts.add(**mount, size_limit=step.shared_memory)
    if step.scratch is not None:
        config.empty_dir_mounts.add(volume_name="scratch", mount_path=SCRATCH, size_limit=step.scratch)
    config.node_selector.labels.update(step.node_selector)
    config.pod_metadata.labels.update(step.labels)
    config.pod_metadata.annotations.update(step.annotations)
    if step.queue and step.ray is None:
        # The pod that follows a RayJob stays out of the queue: holding quota, it would wait for its own job's.
        config.pod_metadata.labels[QUEUE_LABEL] = step.queue
    for one in step.tolerations:
        config.tolerations.add(key=one.key, operator=one.operator, value=one.value, effect=one.effect)
    if step.timeout_seconds is not None:
        config.active_deadline_seconds = step.timeout_seconds
    if step.security is not None:
        config.security_context.run_as_user = step.security.user
        config.security_context.run_as_group = step.security.group
        config.security_context.run_as_non_root = step.security.non_root


def _name(entry: Any, secret: str) -> None:
    """Name a Secret in both fields that hold its name, the older and the newer one."""
    entry.secret_name = secret
    entry.secret_name_parameter.runtime_value.constant.string_value = secret


def _add_secrets(config: Any, secrets: tuple[SecretEnv, ...]) -> None:
    for name, optional in dict.fromkeys((one.secret, one.optional) for one in secrets):
        entry = config.secret_as_env.add(optional=optional)
        _name(entry, name)
        for one in secrets:
            if (one.secret, one.optional) == (name, optional):
                entry.key_to_env.add(secret_key=one.key, env_var=one.variable)
