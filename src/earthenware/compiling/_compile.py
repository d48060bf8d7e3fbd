"""Compiling a shipped pipeline for a profile: protobufs in, edited protobufs out, never text."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earthenware import __version__
from earthenware.compiling._executors import edit_config, edit_container, edit_retries
from earthenware.compiling._profile import Profile, wrong_image
from earthenware.errors import EarthenwareError

_PLATFORM = "kubernetes"


@dataclass(frozen=True)
class CompiledPipeline:
    """A pipeline ready for Kubeflow.

    Attributes:
        name: Kubeflow's name of the pipeline, such as ``earthenware-pretrain``.
        package_version: Version of this package that compiled it; its steps refuse to run under any other.
        text: The YAML: a document for the pipeline, and one for the platform where the profile sets any of it.
        spec: ``PipelineSpec``.
        platform: ``PlatformSpec``; empty where the profile sets nothing of the platform's.
    """

    name: str
    package_version: str
    text: str = field(repr=False)
    spec: Any = field(repr=False)
    platform: Any = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the YAML, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def version_name(self) -> str:
        """Name of the pipeline version: equal for equal YAML, and for nothing else."""
        return f"{self.package_version}-{self.digest[:12]}"

    def write(self, path: Path | str) -> None:
        """Write the YAML to a file."""
        Path(path).write_text(self.text, encoding="utf-8")


def compile_pipeline(pipeline: str, profile: Profile, image: str = "") -> CompiledPipeline:
    """Return a shipped pipeline with a profile applied to every step.

    Args:
        pipeline: Name of the pipeline, such as ``pretrain``.
        profile: Where it shall run.
        image: Image of every step; empty takes the profile's, and where that names none the pipeline's own.

    Raises:
        EarthenwareError: ``UNKNOWN_PIPELINE``; ``BAD_PIPELINE`` when the shipped YAML has fields that Kubeflow does
            not know; ``VERSION_MISMATCH`` when another version of this package made it; ``BAD_OPTION`` for an image
            that is no pinned reference.
    """
    import yaml
    from google.protobuf import json_format

    if image and wrong_image(image):
        raise EarthenwareError("BAD_OPTION", f"--image {image}: {wrong_image(image)}.", "Build and push it with a tag.")
    file = compiled_pipeline(pipeline)
    text = file.read_text(encoding="utf-8")
    spec, deployment, platform = _parse(text, file.name)
    version = _package_version(spec, file.name)
    image = image or profile.image.replace("{version}", version.replace("+", "-"))
    for label in sorted(deployment.executors):
        if deployment.executors[label].HasField("container"):
            edit_container(deployment.executors[label].container, step_name(label), profile, image)
            _edit_platform(platform, label, profile)
    for label, task in _tasks(spec):
        retries = profile.step(step_name(label)).retries
        if retries is not None and retries.count:
            edit_retries(task.retry_policy, retries)
    limits = {"resource_ttl_on_completion": profile.ttl_seconds, "active_deadline_seconds": profile.deadline_seconds}
    for name, seconds in limits.items():
        if seconds:
            setattr(platform.platforms[_PLATFORM].pipelineConfig, name, seconds)
    spec.deployment_spec.CopyFrom(_as(deployment, type(spec.deployment_spec)))
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    documents = [json_format.MessageToDict(one) for one in (spec, platform) if one is spec or one.platforms]
    dumped = str(yaml.dump_all(documents, sort_keys=True))
    return CompiledPipeline(spec.pipeline_info.name, version, header + dumped, spec, platform)


def manifests(compiled: CompiledPipeline, namespace: str = "") -> str:
    """Return a ``Pipeline`` and a ``PipelineVersion`` of ``pipelines.kubeflow.org/v2beta1`` as YAML.

    The version is named as ``earthenware submit`` names it, so that either finds what the other has put there. An
    empty namespace leaves it to who applies them.
    """
    from kfp.compiler import Compiler
    from kfp.compiler.compiler_utils import KubernetesManifestOptions
    from kfp.components import load_component_from_text

    options = KubernetesManifestOptions(
        pipeline_name=compiled.name,
        pipeline_display_name=compiled.spec.pipeline_info.display_name or compiled.name,
        # A version such as 1.2.0+local has a sign that a Kubernetes name may not have.
        pipeline_version_name=re.sub(r"[^a-z0-9.-]+", "-", compiled.version_name.lower()).strip("-."),
        pipeline_version_display_name=compiled.version_name,
        namespace=namespace or None,
        include_pipeline_manifest=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifests.yaml"
        Compiler().compile(
            load_component_from_text(compiled.text),
            str(file),
            kubernetes_manifest_format=True,
            kubernetes_manifest_options=options,
        )
        return file.read_text(encoding="utf-8")


def compiled_pipeline(name: str) -> Path:
    """Return the path of a pipeline's compiled YAML: inside the installed package, or in the checkout.

    Raises:
        EarthenwareError: ``UNKNOWN_PIPELINE`` when there is none of that name.
    """
    package = Path(__file__).resolve().parent.parent
    folders = (package / "pipelines", package.parent.parent / "pipelines" / "compiled")
    known = {path.stem: path for folder in reversed(folders) for path in sorted(folder.glob("*.yaml"))}
    if name in known:
        return known[name]
    message = f"The compiled pipeline '{name}' is not in this installation (there are: {', '.join(known) or 'none'})."
    raise EarthenwareError("UNKNOWN_PIPELINE", message, "Install earthenware anew; in a checkout run 'make pipelines'.")


def step_name(label: str) -> str:
    """Return the step that an executor runs: ``exec-build`` and ``exec-build-2`` both run ``build``."""
    return re.sub(r"-[0-9]+$", "", label.removeprefix("exec-"))


def _parse(text: str, file: str) -> tuple[Any, Any, Any]:
    """Return PipelineSpec, PipelineDeploymentConfig and PlatformSpec; unknown fields are refused, at every depth."""
    import yaml
    from google.protobuf import json_format
    from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
    from kfp.pipeline_spec import pipeline_spec_pb2 as pb

    # libyaml reads the same values several times as fast as PyYAML's own loader; it may be missing from a build.
    first, *more = yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        spec = json_format.ParseDict(first, pb.PipelineSpec())
        deployment = _as(spec.deployment_spec, pb.PipelineDeploymentConfig)
        platform = json_format.ParseDict(more[0] if more else {}, pb.PlatformSpec())
        for executor in platform.platforms[_PLATFORM].deployment_spec.executors.values() if more else ():
            _as(executor, KubernetesExecutorConfig)
    except json_format.ParseError as error:
        message = f"The compiled pipeline {file} has something that Kubeflow does not know: {error}."
        raise EarthenwareError("BAD_PIPELINE", message, "Compile it anew with 'make pipelines'.") from None
    return spec, deployment, platform


def _as(message: Any, kind: Any) -> Any:
    """Return a protobuf as another type that has the same JSON."""
    from google.protobuf import json_format

    return json_format.ParseDict(json_format.MessageToDict(message), kind())


def _edit_platform(platform: Any, label: str, profile: Profile) -> None:
    from google.protobuf import struct_pb2
    from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

    executors = platform.platforms[_PLATFORM].deployment_spec.executors if platform.platforms else {}
    existing = executors[label] if label in executors else struct_pb2.Struct()
    config = _as(existing, KubernetesExecutorConfig)
    edit_config(config, step_name(label), profile)
    if config.ByteSize():
        platform.platforms[_PLATFORM].deployment_spec.executors[label].CopyFrom(_as(config, struct_pb2.Struct))


def _tasks(spec: Any) -> Iterator[tuple[str, Any]]:
    """Yield the executor's label and the ``PipelineTaskSpec`` of every task, in every DAG."""
    for component in (spec.root, *spec.components.values()):
        for task in component.dag.tasks.values() if component.HasField("dag") else ():
            label = spec.components[task.component_ref.name].executor_label
            if label:
                yield label, task


def _package_version(spec: Any, file: str) -> str:
    given = [task.inputs.parameters for _, task in _tasks(spec)]
    found = {one["package_version"].runtime_value.constant.string_value for one in given if "package_version" in one}
    if found - {__version__}:
        others = ", ".join(sorted(found))
        message = f"The compiled pipeline {file} is of earthenware {others}, and this is {__version__}."
        raise EarthenwareError("VERSION_MISMATCH", message, "Compile it anew with 'make pipelines'.")
    return __version__
