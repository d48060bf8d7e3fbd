"""Pipeline and PipelineVersion objects: those that the SDK writes, named as a submission names its version."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from earthenware.compiling import CompiledPipeline, compile_pipeline, load_profile, manifests
from pipelines.pretrain import pretrain

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def compiled(name: str) -> CompiledPipeline:
    return compile_pipeline("pretrain", load_profile(name))


def objects(name: str, namespace: str = "") -> list[dict[str, Any]]:
    return list(yaml.load_all(manifests(compiled(name), namespace), LOADER))


def test_they_equal_the_sdks(tmp_path: Path) -> None:
    options = KubernetesManifestOptions(
        pipeline_name="earthenware-pretrain",
        pipeline_display_name="Earthenware: pretrain",
        pipeline_version_name=compiled("laptop").version_name,
        namespace="ours",
        include_pipeline_manifest=True,
    )
    compiler.Compiler().compile(
        pretrain,
        str(tmp_path / "sdk.yaml"),
        kubernetes_manifest_format=True,
        kubernetes_manifest_options=options,
    )
    assert manifests(compiled("laptop"), "ours") == (tmp_path / "sdk.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["laptop", "cluster-gpu"])
def test_the_version_holds_what_was_compiled(name: str) -> None:
    pipeline, version = objects(name)
    assert [one["kind"] for one in (pipeline, version)] == ["Pipeline", "PipelineVersion"]
    assert {one["apiVersion"] for one in (pipeline, version)} == {"pipelines.kubeflow.org/v2beta1"}
    documents = list(yaml.load_all(compiled(name).text, LOADER))
    assert version["spec"]["pipelineSpec"] == documents[0]
    assert version["spec"].get("platformSpec") == (documents[1] if documents[1:] else None)
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"] == compiled(name).name
    assert version["metadata"]["name"] == version["spec"]["displayName"] == compiled(name).version_name


def test_the_namespace_is_that_given_or_none() -> None:
    assert [one["metadata"]["namespace"] for one in objects("laptop", "ours")] == ["ours", "ours"]
    assert all("namespace" not in one["metadata"] for one in objects("laptop"))


@pytest.mark.parametrize("version", ["1.2.0", "1.2.0rc1", "1.2.0.dev3+gabc_DEF"])
def test_names_are_such_as_kubernetes_allows(version: str) -> None:
    one = compiled("laptop")
    text = manifests(CompiledPipeline(one.name, version, one.text, one.spec, one.platform))
    for item in yaml.load_all(text, LOADER):
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", item["metadata"]["name"])
