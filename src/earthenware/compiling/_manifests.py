"""A compiled pipeline as Kubernetes objects, for clusters that keep their pipelines in the Kubernetes API."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from earthenware.compiling._compile import CompiledPipeline


def manifests(compiled: CompiledPipeline, namespace: str = "") -> str:
    """Return a ``Pipeline`` and a ``PipelineVersion`` of ``pipelines.kubeflow.org/v2beta1`` as YAML.

    The version is named as ``earthenware submit`` names it, so that either finds what the other has put there.

    Args:
        compiled: The pipeline.
        namespace: Namespace of the objects; empty leaves it to who applies them.
    """
    from kfp.compiler import Compiler
    from kfp.compiler.compiler_utils import KubernetesManifestOptions
    from kfp.components import load_component_from_text

    options = KubernetesManifestOptions(
        pipeline_name=compiled.name,
        pipeline_display_name=compiled.spec.pipeline_info.display_name or compiled.name,
        pipeline_version_name=object_name(compiled.version_name),
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


def object_name(name: str) -> str:
    """Return a name as Kubernetes allows it: a version such as 1.2.0+local has a sign that it does not."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")
