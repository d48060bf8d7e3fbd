"""The RayJob object, as Kubernetes and KubeRay would judge it."""

from __future__ import annotations

import copy
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.errors import EarthenwareError
from earthenware.launch import RayJobSettings, Resources, SecretEnv, Toleration
from earthenware.launch._objects import Launch, Owner, job_name, passed_on, ray_job
from tests.launch.objects import name_errors, operator_errors, pod_errors, pod_templates, schema_errors

IMAGE = "ghcr.io/earthenware/earthenware-python-gpu:1.0"
OWNER = Owner("launcher", "5b0f7c5e-0c8e-4c39-9f3b-0d9d2b6a7c11", "team-a")

GPU = RayJobSettings(
    image=IMAGE,
    worker=Resources(cpu="7500m", memory="60Gi", accelerator="nvidia.com/gpu", accelerators=2),
    workers_per_pod=2,
    node_selector={"gpu": "a100"},
    tolerations=(Toleration(key="nvidia.com/gpu", effect="NoSchedule"),),
    queue="team-a",
    priority_class="high",
    secrets=(SecretEnv(variable="AWS_SECRET_ACCESS_KEY", secret="earthenware-store", key="AWS_SECRET_ACCESS_KEY"),),
)


def launch(workers: int = 3, **changes: object) -> Launch:
    values = {
        "namespace": "team-a",
        "step": "train",
        "output": "s3://b/train/1",
        "run": "run",
        "entrypoint": "earthenware train",
        "workers": workers,
        "owner": OWNER,
        **changes,
    }
    return Launch(**values)  # type: ignore[arg-type]


def rayjob(settings: RayJobSettings, what: Launch) -> dict:
    return ray_job(settings, what, job_name(what.step, what.run, what.output, 0))


def errors(job: dict) -> list[str]:
    return [*schema_errors(job), *name_errors(job), *operator_errors(job)]


NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
QUANTITIES = st.from_regex(r"[1-9][0-9]{0,3}(Mi|Gi)", fullmatch=True)
RESOURCES = st.builds(
    Resources,
    cpu=st.from_regex(r"([1-9][0-9]?)|([1-9][0-9]{1,3}m)|([1-9]\.5)", fullmatch=True),
    memory=QUANTITIES,
    accelerator=st.sampled_from(["", "nvidia.com/gpu", "nvidia.com/mig-1g.5gb"]),
    accelerators=st.integers(0, 8),
)
VARIABLES = st.from_regex(r"EW_[A-Z]{1,8}", fullmatch=True)
SETTINGS = st.builds(
    RayJobSettings,
    image=st.just(IMAGE),
    image_pull_policy=st.sampled_from(["", "Always", "IfNotPresent", "Never"]),
    image_pull_secrets=st.lists(NAMES, max_size=2).map(tuple),
    service_account=st.one_of(st.just(""), NAMES),
    head=RESOURCES,
    worker=RESOURCES,
    workers_per_pod=st.integers(1, 8),
    shared_memory=QUANTITIES,
    scratch=QUANTITIES,
    node_selector=st.dictionaries(NAMES, NAMES, max_size=2),
    tolerations=st.lists(
        st.builds(
            Toleration,
            key=NAMES,
            operator=st.sampled_from(["Exists", "Equal"]),
            value=st.one_of(st.just(""), NAMES),
            effect=st.sampled_from(["", "NoSchedule", "PreferNoSchedule", "NoExecute"]),
        ),
        max_size=2,
    ).map(tuple),
    labels=st.dictionaries(NAMES, NAMES, max_size=2),
    annotations=st.dictionaries(NAMES, st.text(max_size=20), max_size=2),
    queue=st.one_of(st.just(""), NAMES),
    priority_class=st.one_of(st.just(""), NAMES),
    environment=st.dictionaries(VARIABLES, st.text(max_size=20), max_size=3),
    secrets=st.lists(
        st.builds(SecretEnv, variable=VARIABLES, secret=NAMES, key=NAMES, optional=st.booleans()),
        max_size=3,
        unique_by=lambda item: item.variable,
    ).map(tuple),
    deadline_seconds=st.integers(60, 2**31 - 1),
    pending_seconds=st.integers(60, 2**31 - 1),
    ttl_seconds=st.integers(0, 2**31 - 1),
    auth_mode=st.sampled_from(["token", "disabled"]),
)


@settings(max_examples=60)
@given(SETTINGS, st.integers(1, 64), st.text(max_size=200))
def test_any_settings_make_an_object_that_kubernetes_and_kuberay_take(made: RayJobSettings, workers: int, entry: str):
    job = rayjob(made, launch(workers, entrypoint=entry))
    assert errors(job) == []
    group = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert group["replicas"] * int(group["rayStartParams"]["num-cpus"]) >= workers


@pytest.mark.parametrize("version", ["1.31", "1.35"])
def test_the_pods_validate_strictly(version: str):
    for made in (GPU, RayJobSettings(image=IMAGE)):
        assert pod_errors(rayjob(made, launch()), version) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "submitionMode"), "K8sJobMode"),
        (("spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "nodeSelektor"), {}),
        (("spec", "rayClusterSpec", "authOptions", "mode"), "password"),
        (("spec", "backoffLimit"), "none"),
    ],
)
def test_the_validation_refuses_what_is_misspelt(path: tuple[str, ...], value: object):
    job = copy.deepcopy(rayjob(GPU, launch()))
    target = job
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert schema_errors(job) != []


def test_every_pod_is_restricted_and_bounded():
    for role, template in pod_templates(rayjob(GPU, launch())).items():
        spec, container = template["spec"], template["spec"]["containers"][0]
        assert len(spec["containers"]) == 1, role
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert spec["automountServiceAccountToken"] is False
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/scratch", "/tmp", "/dev/shm"}
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]


def test_accelerators_go_to_the_workers_alone():
    job = rayjob(GPU, launch(workers=3))
    templates, cluster = pod_templates(job), job["spec"]["rayClusterSpec"]
    group = cluster["workerGroupSpecs"][0]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (2, 2, 2)
    assert group["rayStartParams"] == {"num-cpus": "8", "num-gpus": "2"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert templates["workers"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert templates["workers"]["spec"]["nodeSelector"] == {"gpu": "a100"}
    assert "nodeSelector" not in templates["head"]["spec"]
    assert "nvidia.com/gpu" not in templates["head"]["spec"]["containers"][0]["resources"]["limits"]


def test_the_end_is_said_in_one_of_two_ways():
    spec = rayjob(GPU, launch())["spec"]  # Kueue wants the older fields
    assert (spec["shutdownAfterJobFinishes"], "deletionStrategy" in spec) == (True, False)
    spec = rayjob(GPU.model_copy(update={"queue": ""}), launch())["spec"]
    assert (spec["shutdownAfterJobFinishes"], "ttlSecondsAfterFinished" in spec) == (False, False)
    assert all(rule["condition"]["ttlSeconds"] == 600 for rule in spec["deletionStrategy"]["deletionRules"])


def test_retries_deadlines_and_authentication_are_explicit():
    spec = rayjob(GPU, launch())["spec"]
    assert spec["submissionMode"] == "K8sJobMode"
    assert (spec["backoffLimit"], spec["submitterConfig"]) == (0, {"backoffLimit": 0})
    assert (spec["activeDeadlineSeconds"], spec["preRunningDeadlineSeconds"]) == (7 * 86400, 3600)
    assert spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert re.match(r"^\d+\.\d+\.\d+$", spec["rayClusterSpec"]["rayVersion"])


def test_it_belongs_to_the_pod_that_launches_it():
    meta = rayjob(GPU, launch())["metadata"]
    assert meta["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Pod", "name": OWNER.name, "uid": OWNER.uid,
         "controller": False, "blockOwnerDeletion": False}
    ]  # fmt: skip
    assert meta["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    # Kubernetes would take an owner in another namespace for one that is gone, and remove the job.
    assert "ownerReferences" not in rayjob(GPU, launch(namespace="ray"))["metadata"]
    assert "ownerReferences" not in rayjob(GPU, launch(owner=None))["metadata"]


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=80), st.integers(0, 99))
def test_names_are_short_valid_and_repeatable(step: str, run: str, output: str, number: int):
    name = job_name(step, run, output, number)
    assert re.fullmatch(r"ew-[a-z]?[-a-z0-9]*[a-z0-9]", name)
    assert len(name) <= 47
    assert name == job_name(step, run, output, number)
    assert name != job_name(step, run, output, number + 1)
    assert name != job_name(step, f"{run}x", output, number)


def test_secrets_are_references_and_nothing_else():
    everything = {
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_ACCESS_KEY_ID": "AKIA2",
        "AWS_SESSION_TOKEN": "session2",
        "MLFLOW_TRACKING_PASSWORD": "mlflow2",
        "KFP_TOKEN": "kfp2",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://store:8333",
        "MLFLOW_RUN_ID": "abc",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "EARTHENWARE_RAY_JOB": "{}",
    }
    job = rayjob(GPU, launch(environment=passed_on(everything)))
    text = json.dumps(job)
    assert not [value for value in ("hunter2", "AKIA2", "session2", "mlflow2", "kfp2") if value in text]
    assert "EARTHENWARE_RAY_JOB" not in text  # else the job would launch a job
    for role in ("head", "workers"):
        env = {item["name"]: item for item in pod_templates(job)[role]["spec"]["containers"][0]["env"]}
        assert env["MLFLOW_RUN_ID"]["value"] == "abc"
        assert env["AWS_REGION"]["value"] == "eu-central-1"
        assert env["AWS_SECRET_ACCESS_KEY"] == {
            "name": "AWS_SECRET_ACCESS_KEY",
            "valueFrom": {
                "secretKeyRef": {"name": "earthenware-store", "key": "AWS_SECRET_ACCESS_KEY", "optional": False}
            },
        }
    assert "secretKeyRef" not in json.dumps(pod_templates(job)["submitter"])


def test_a_secret_takes_the_place_of_a_plain_variable():
    made = RayJobSettings(
        image=IMAGE,
        environment={"MLFLOW_TRACKING_URI": "http://plain"},
        secrets=(SecretEnv(variable="MLFLOW_TRACKING_URI", secret="mlflow", key="uri"),),
    )
    assert errors(rayjob(made, launch())) == []
    assert "http://plain" not in json.dumps(rayjob(made, launch()))


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "my_api_key"])
def test_settings_refuse_a_secret_in_plain_text(name: str):
    with pytest.raises(ValueError, match="looks like a secret"):
        RayJobSettings(image=IMAGE, environment={name: "x"})
    assert RayJobSettings(image=IMAGE, environment={"TOKENIZERS_PARALLELISM": "false"})


def test_an_address_with_a_password_is_not_passed_on():
    with pytest.raises(EarthenwareError, match="MLFLOW_TRACKING_URI holds a user name or password") as caught:
        passed_on({"MLFLOW_TRACKING_URI": "http://me:hunter2@mlflow:5000"})
    assert "hunter2" not in str(caught.value)
