"""Training as a Ray job: the object that is made of a spec, and the real work behind it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.launch import SETTINGS_VARIABLE, RayJobSettings, SecretEnv
from earthenware.steps import read_manifest
from earthenware.training import TrainSpec, train
from tests.launch.kubelet import Kubelet
from tests.launch.ray_head import ray_head
from tests.launch.stand_in import Kubernetes, failed
from tests.training._chipstore import build_store

KEYS = {"AWS_ACCESS_KEY_ID": "earthenware", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
SETTINGS = RayJobSettings(
    image="ghcr.io/earthenware/earthenware-python:1.0",
    secrets=tuple(SecretEnv(variable=key, secret="earthenware-store", key=key) for key in KEYS),
    workers_per_pod=2,
)
SPEC = TrainSpec(
    epochs=2, batch_size=16, patch_size=4, workers=2, device="cpu", tracking_uri="off", experiment="it's $HOME"
)


@pytest.fixture
def bucket(s3: str, request: pytest.FixtureRequest) -> str:
    uri = f"s3://launch-{abs(hash(request.node.name)) % 10**8}"
    storage.ensure_bucket(uri)
    return uri


@pytest.fixture
def chips(bucket: str, tmp_path: Path) -> str:
    made = build_store(tmp_path / "chips", count=96, size=16)
    uri = storage.join(bucket, "chips")
    storage.upload_tree(Path(made.output), uri)
    return uri


@pytest.fixture
def as_ray_job(kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    monkeypatch.setenv(SETTINGS_VARIABLE, SETTINGS.model_dump_json())
    yield kubernetes
    assert not any(KEYS["AWS_SECRET_ACCESS_KEY"] in json.dumps(job) for job in kubernetes.made)


def test_a_pipelines_step_train_becomes_a_ray_job(as_ray_job: Kubernetes, chips: str, bucket: str):
    as_ray_job.script = [failed("AppFailed", "exit code 137")]
    with pytest.raises(EarthenwareError, match="exit code 137"):
        train(SPEC, chips, f"{bucket}/run/train/{{fingerprint}}")
    (job,) = as_ray_job.made
    words = shlex.split(job["spec"]["entrypoint"].replace("$$", "$"))
    output = words[words.index("--output") + 1]
    assert words[:4] == ["earthenware", "train", "--chips", chips]
    assert output.startswith(f"{bucket}/run/train/")
    assert "{" not in output
    assert {"epochs=2", "batch_size=16", 'tracking_uri="off"', 'experiment="it\'s $HOME"'} <= {*words}
    assert job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 1
    assert storage.is_empty(output)  # nothing was done here


def test_settings_that_do_not_parse(monkeypatch: pytest.MonkeyPatch, chips: str, bucket: str):
    monkeypatch.setenv(SETTINGS_VARIABLE, '{"image": "i", "workers": 3}')
    with pytest.raises(EarthenwareError, match=f"{SETTINGS_VARIABLE}: workers is not a known field"):
        train(SPEC, chips, f"{bucket}/train")


@pytest.mark.system
def test_a_ray_job_trains_what_this_machine_trains(
    s3: str, as_ray_job: Kubernetes, chips: str, bucket: str, tmp_path: Path, capsys
):
    with ray_head(tmp_path) as (address, head):
        kubelet = Kubelet(as_ray_job, tmp_path, {"earthenware-store": KEYS}, address)
        report = train(SPEC, chips, f"{bucket}/job/train/{{fingerprint}}")
        assert head.poll() is None
    assert SETTINGS_VARIABLE not in kubelet.environment
    assert kubelet.environment["AWS_ENDPOINT_URL"] == s3
    assert not report.reused
    told = capsys.readouterr()
    assert "train: done in" in told.out
    (job,) = as_ray_job.made
    assert "steps  10" in storage.read_bytes(f"{report.output}/logs/{job['metadata']['name']}.log").decode()
    assert storage.is_empty(f"{report.output}/ray")  # Ray's own bookkeeping
    assert report.manifest == read_manifest(report.output)

    # In a process of its own: Ray keeps for good how a process first met a cluster.
    command = ["train", "--chips", chips, "--output", f"{bucket}/here/train", "--json"]
    for field, value in SPEC.model_dump(mode="json", exclude_defaults=True).items():
        command += ["--set", f"{field}={value}"]
    environment = {name: value for name, value in os.environ.items() if name != SETTINGS_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "earthenware", *command], env=environment, capture_output=True, text=True, check=True
    )
    here = json.loads(done.stdout)
    assert (report.manifest.digest, report.manifest.fingerprint) == (here["digest"], here["fingerprint"])


@pytest.mark.system
def test_what_the_job_found_is_the_error(as_ray_job: Kubernetes, chips: str, bucket: str, tmp_path: Path):
    Kubelet(as_ray_job, tmp_path, {"earthenware-store": KEYS}, "")
    with pytest.raises(EarthenwareError) as caught:
        train(SPEC.model_copy(update={"patch_size": 5}), chips, f"{bucket}/train")
    assert caught.value.code == "BAD_MODEL"
    assert caught.value.message == "patch_size is 5 pixels, which does not divide the chips' 16."
    assert caught.value.remedy == "Change it in the spec's section 'train'."
