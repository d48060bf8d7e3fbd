"""The same settings as a profile's, made with the calls of the kfp SDK: what our edits are compared with."""

# Without postponed annotations: the SDK reads the types of a pipeline from the function itself.
from pathlib import Path
from typing import Any

from kfp import compiler, dsl, kubernetes

from components.build.component import build
from components.embed.component import embed
from components.gate.component import gate
from components.query.component import query
from components.train.component import train
from components.validate.component import validate
from earthenware import __version__
from earthenware.compiling import Profile, StepSettings
from earthenware.launch import SETTINGS_VARIABLE
from earthenware.steps import canonical_json

STEPS = ("query", "build", "validate", "gate", "train", "embed")


def compile_with_sdk(profile: Profile, image: str, file: Path) -> None:
    """Write a pipeline of some of our components whose tasks are set up by the SDK."""
    config = dsl.PipelineConfig(
        ttl_seconds_after_finished=profile.ttl_seconds or None, active_deadline_seconds=profile.deadline_seconds or None
    )

    @dsl.pipeline(name="sdk", pipeline_config=config)
    def pipeline(root: str) -> None:
        common: dict[str, Any] = {"root": root, "package_version": __version__}
        found = query(**common)
        built = build(scenes=found.outputs["scenes"], **common)
        chips = built.outputs["chips"]
        validated = validate(chips=chips, **common)
        passed = gate(validation=validated.outputs["validation"], **common)
        trained = train(chips=chips, validation=validated.outputs["validation"], **common)
        embedded = embed(chips=chips, model=trained.outputs["model"], **common)
        tasks = (found, built, validated, passed, trained, embedded)
        for name, task in zip(STEPS, tasks, strict=True):
            _set_up(task, name, profile, image)

    compiler.Compiler().compile(pipeline, str(file))


def _set_up(task: Any, name: str, profile: Profile, image: str) -> None:
    step = profile.step(name)
    task.set_container_image(image)
    resources = step.resources
    if resources is not None:
        task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
        task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
        if resources.accelerators:
            task.set_accelerator_type(resources.accelerator).set_accelerator_limit(resources.accelerators)
    for variable, value in step.environment.items():
        task.set_env_variable(variable, value)
    ray = profile.ray_job(name, image)
    if ray is not None:
        text = canonical_json(ray.model_dump(mode="json", exclude_defaults=True))
        task.set_env_variable(SETTINGS_VARIABLE, text)
    if step.retries is not None and step.retries.count:
        retries = step.retries
        task.set_retry(retries.count, f"{retries.backoff_seconds}s", retries.factor, f"{retries.max_backoff_seconds}s")
    _set_up_pod(task, step, profile)


def _set_up_pod(task: Any, step: StepSettings, profile: Profile) -> None:
    if profile.image_pull_policy:
        kubernetes.set_image_pull_policy(task, profile.image_pull_policy)
    if profile.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(profile.image_pull_secrets))
    for secret in dict.fromkeys((one.secret, one.optional) for one in step.secrets):
        keys = {one.key: one.variable for one in step.secrets if (one.secret, one.optional) == secret}
        kubernetes.use_secret_as_env(task, secret[0], keys, optional=secret[1])
    if step.shared_memory:
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit=step.shared_memory)
    if step.scratch:
        kubernetes.empty_dir_mount(task, "scratch", "/scratch", size_limit=step.scratch)
    for key, value in step.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for key, value in step.labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in step.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)
    if step.queue and step.ray is None:
        kubernetes.add_pod_label(task, "kueue.x-k8s.io/queue-name", step.queue)
    for one in step.tolerations:
        kubernetes.add_toleration(task, one.key or None, one.operator, one.value or None, one.effect or None)
    if step.timeout_seconds is not None:
        kubernetes.set_timeout(task, step.timeout_seconds)
    if step.security is not None:
        security = step.security
        kubernetes.set_security_context(task, security.user, security.group, security.non_root)
