"""Compiled pipelines: equal to what the SDK makes, byte for byte the same each time, with nothing unknown in them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler
from kfp.components import load_component_from_file, load_component_from_text
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

import earthenware
from earthenware.compiling import (
    CompiledPipeline,
    Profile,
    compile_pipeline,
    compiled_pipeline,
    load_profile,
    shipped_profiles,
)
from earthenware.errors import EarthenwareError
from earthenware.launch import SETTINGS_VARIABLE, RayJobSettings
from tests.compiling.golden import FOLDER, golden_text
from tests.compiling.pods import pod
from tests.compiling.sdk import STEPS, compile_with_sdk

Written = Callable[..., str]
IMAGE = "registry.example.com:5000/eo/earthenware-python:1.2.3"
EVERYTHING = """
base: cluster-gpu
image_pull_policy: Always
image_pull_secrets: [registry, other-registry]
defaults:
  resources: {cpu: 1500m, memory: 2G}
  node_selector: {pool: eo, topology.kubernetes.io/zone: b}
  tolerations:
    - {key: dedicated, operator: Equal, value: eo, effect: NoExecute}
    - {operator: Exists}
  environment: {AWS_ENDPOINT_URL: "https://store.example.com", OMP_NUM_THREADS: 2}
  secrets:
    - {variable: AWS_ACCESS_KEY_ID, secret: store, key: id}
    - {variable: PROXY, secret: site, key: proxy, optional: true}
    - {variable: AWS_SECRET_ACCESS_KEY, secret: store, key: secret}
  retries: {count: 5, backoff_seconds: 7, factor: 1.5, max_backoff_seconds: 90}
  labels: {team: eo}
  annotations: {example.com/note: "any text: it is"}
  queue: ours
"""


@functools.cache
def compiled(name: str, image: str = "") -> CompiledPipeline:
    return compile_pipeline("pretrain", load_profile(name), image)


@functools.cache
def parsed(text: str) -> str:
    return json.dumps(list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))))


def documents(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(parsed(text))
    return found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("profiles") / "everything.yaml"
    file.write_text(EVERYTHING, encoding="utf-8")
    return compile_pipeline("pretrain", load_profile(str(file)), IMAGE).text


def executors(text: str) -> dict[str, Any]:
    found: dict[str, Any] = documents(text)[0]["deploymentSpec"]["executors"]
    return found


def platform(text: str) -> dict[str, Any]:
    found: dict[str, Any] = documents(text)[1]["platforms"]["kubernetes"]
    return found


def retries(text: str) -> dict[str, Any]:
    first = documents(text)[0]
    dags = [one["dag"] for one in (first["root"], *first["components"].values()) if "dag" in one]
    return {name: task.get("retryPolicy") for dag in dags for name, task in dag["tasks"].items()}


def test_a_laptop_gets_the_shipped_pipeline_to_the_byte() -> None:
    assert compiled("laptop").text == compiled_pipeline("pretrain").read_text(encoding="utf-8")
    assert not compiled("laptop").platform.platforms


def test_an_image_changes_the_images_and_nothing_else() -> None:
    plain, other = documents(compiled("laptop").text), documents(compiled("laptop", IMAGE).text)
    assert {one["container"]["image"] for one in other[0]["deploymentSpec"]["executors"].values()} == {IMAGE}
    for label, executor in other[0]["deploymentSpec"]["executors"].items():
        executor["container"]["image"] = plain[0]["deploymentSpec"]["executors"][label]["container"]["image"]
    assert other == plain


@pytest.mark.parametrize("name", shipped_profiles())
def test_the_golden_files(name: str) -> None:
    assert golden_text(compiled(name)) == (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), (
        "A profile's effect changed: run 'python -m tests.compiling.golden' and read the difference."
    )


@pytest.mark.parametrize("profile", ["cluster-cpu", "cluster-gpu", EVERYTHING])
def test_our_edits_equal_the_sdks_calls(profile: str, written: Written, tmp_path: Path) -> None:
    loaded = load_profile(written(profile) if "\n" in profile else profile)
    ours = compile_pipeline("pretrain", loaded, IMAGE).text
    compile_with_sdk(loaded, IMAGE, tmp_path / "sdk.yaml")
    theirs = (tmp_path / "sdk.yaml").read_text(encoding="utf-8")
    for step in STEPS:
        label = f"exec-{step}"
        assert executors(ours)[label] == executors(theirs)[label]
        mine = platform(ours)["deploymentSpec"]["executors"][label]
        assert mine == platform(theirs)["deploymentSpec"]["executors"][label]
        assert retries(ours)[step] == retries(theirs)[step]
    assert platform(ours)["pipelineConfig"] == platform(theirs)["pipelineConfig"]


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_field_is_one_that_kubeflow_knows(name: str) -> None:
    first, *rest = documents(compiled(name).text)
    spec = json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec())
    assert spec == compiled(name).spec
    json_format.ParseDict(first["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    for document in rest:
        assert json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec()) == compiled(name).platform
        for config in document["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())


@pytest.mark.parametrize("name", shipped_profiles())
def test_kfp_loads_it_and_compiles_it_back_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    compiled(name, IMAGE).write(tmp_path / "ours.yaml")
    component = load_component_from_file(str(tmp_path / "ours.yaml"))
    compiler.Compiler().compile(component, str(tmp_path / "again.yaml"))
    assert (tmp_path / "again.yaml").read_bytes() == (tmp_path / "ours.yaml").read_bytes()


def test_a_profile_leaves_the_graph_and_its_parameters_as_they_are() -> None:
    plain = load_component_from_text(compiled("laptop").text)
    for name in ("cluster-cpu", "cluster-gpu"):
        other = load_component_from_text(compiled(name).text)
        assert other.component_spec.inputs == plain.component_spec.inputs
        ours, theirs = documents(compiled(name).text)[0], documents(compiled("laptop").text)[0]
        for component in (ours["root"], *ours["components"].values()):
            for task in component.get("dag", {}).get("tasks", {}).values():
                task.pop("retryPolicy", None)
        for document in (ours, theirs):
            del document["deploymentSpec"]
        assert ours == theirs
        for label, executor in executors(compiled(name).text).items():
            shipped = executors(compiled("laptop").text)[label]["container"]
            assert {key: executor["container"][key] for key in ("args", "command")} == {
                key: shipped[key] for key in ("args", "command")
            }


def test_equal_input_gives_equal_bytes_and_a_version_named_after_them() -> None:
    first, again = compiled("cluster-cpu"), compile_pipeline("pretrain", load_profile("cluster-cpu"))
    assert first.text == again.text
    assert first.digest == hashlib.sha256(first.text.encode()).hexdigest()
    assert first.version_name == f"{earthenware.__version__}-{first.digest[:12]}"
    assert first.name == "earthenware-pretrain"
    names = {compiled(name).version_name for name in shipped_profiles()}
    assert len({*names, compiled("cluster-cpu", IMAGE).version_name}) == len(shipped_profiles()) + 1


@pytest.mark.parametrize("version", ["1.31", "1.32", "1.33", "1.34", "1.35"])
def test_kubernetes_accepts_every_steps_pod(version: str, everything: str) -> None:
    for text in (compiled("cluster-cpu").text, compiled("cluster-gpu").text, everything):
        configs = platform(text)["deploymentSpec"]["executors"]
        assert configs.keys() == executors(text).keys()
        for label, executor in executors(text).items():
            kubernetes_validate.validate(pod(label, executor["container"], configs[label]), version, strict=True)


def test_the_step_train_reads_its_ray_job_back() -> None:
    profile = load_profile("cluster-gpu")
    environment = {
        label: {one["name"]: one["value"] for one in executor["container"].get("env", [])}
        for label, executor in executors(compile_pipeline("pretrain", profile, IMAGE).text).items()
    }
    assert [label for label, env in environment.items() if SETTINGS_VARIABLE in env] == ["exec-train"]
    settings = RayJobSettings.model_validate_json(environment["exec-train"][SETTINGS_VARIABLE])
    assert settings == profile.ray_job("train", IMAGE)
    assert settings.image == IMAGE


def test_a_queue_holds_the_ray_job_and_not_the_pod_that_waits_for_it(everything: str) -> None:
    text = everything
    labels = {
        label: config["podMetadata"]["labels"].get("kueue.x-k8s.io/queue-name")
        for label, config in platform(text)["deploymentSpec"]["executors"].items()
    }
    assert labels.pop("exec-train") is None
    assert set(labels.values()) == {"ours"}
    env = {one["name"]: one["value"] for one in executors(text)["exec-train"]["container"]["env"]}
    assert json.loads(env[SETTINGS_VARIABLE])["queue"] == "ours"


def test_the_image_of_a_profile_follows_the_version(written: Written) -> None:
    image = executors(compiled("cluster-gpu").text)["exec-query"]["container"]["image"]
    assert image == f"ghcr.io/earthenware/earthenware-python-gpu:{earthenware.__version__}"
    mine = load_profile(written(f"base: cluster-gpu\nimage: {IMAGE}"))
    assert compile_pipeline("pretrain", mine).text == compiled("cluster-gpu", IMAGE).text


@pytest.mark.parametrize("image", ["eo", "registry.example.com/eo:latest", "no image", "-:1", "eo:1@sha256:abc"])
def test_an_image_that_is_not_pinned_is_refused(image: str) -> None:
    with pytest.raises(EarthenwareError, match="--image") as caught:
        compile_pipeline("pretrain", Profile(), image)
    assert caught.value.code == "BAD_OPTION"


def test_a_digest_pins_an_image() -> None:
    image = f"localhost/eo@sha256:{'0' * 64}"
    assert executors(compiled("laptop", image).text)["exec-gate"]["container"]["image"] == image


def test_an_unknown_pipeline() -> None:
    with pytest.raises(EarthenwareError, match="there are: cubes, pretrain") as caught:
        compile_pipeline("../pretrain", Profile())
    assert caught.value.code == "UNKNOWN_PIPELINE"


@pytest.mark.parametrize(
    ("find", "replacement", "code"),
    [
        ("executorLabel: exec-gate", "executorLable: exec-gate", "BAD_PIPELINE"),
        ("        image: ghcr.io", "        imagee: ghcr.io", "BAD_PIPELINE"),
        (f"constant: {earthenware.__version__}\n", "constant: 0.0.7\n", "VERSION_MISMATCH"),
    ],
)
def test_what_kubeflow_or_this_version_does_not_know_is_refused(
    find: str, replacement: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = compiled_pipeline("pretrain").read_text(encoding="utf-8")
    assert find in text
    file = tmp_path / "pretrain.yaml"
    file.write_text(text.replace(find, replacement), encoding="utf-8")
    monkeypatch.setattr("earthenware.compiling._compile.compiled_pipeline", lambda _: file)
    with pytest.raises(EarthenwareError) as caught:
        compile_pipeline("pretrain", Profile())
    assert caught.value.code == code


def test_a_pipeline_that_has_platform_settings_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pretrain.yaml"
    compiled("cluster-cpu").write(file)
    monkeypatch.setattr("earthenware.compiling._compile.compiled_pipeline", lambda _: file)
    assert compile_pipeline("pretrain", Profile()).text == compiled("cluster-cpu").text
    file.write_text(compiled("cluster-cpu").text.replace("imagePullPolicy", "imagePulPolicy"), encoding="utf-8")
    with pytest.raises(EarthenwareError, match="does not know") as caught:
        compile_pipeline("pretrain", Profile())
    assert caught.value.code == "BAD_PIPELINE"


def test_a_value_of_a_secret_cannot_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_PASSWORD", "KFP_TOKEN"):
        monkeypatch.setenv(variable, "hunter2-Zq81xPw9")
    text = compile_pipeline("pretrain", load_profile("cluster-gpu"), IMAGE).text
    assert "hunter2-Zq81xPw9" not in text
    assert "AWS_SECRET_ACCESS_KEY" in text
