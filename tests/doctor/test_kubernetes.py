"""Rights, KubeRay and accelerators of a cluster, asked over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from earthenware.compiling import Profile, load_profile
from tests.doctor.cluster import ACCOUNT, NAMESPACE, RAY, RAY_FIELDS, SECRETS, USER, StandIn, ray_resources, ray_schema
from tests.doctor.look import SECRET, look


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    server = StandIn(SECRET, getattr(request, "param", "34"))
    monkeypatch.setenv("KUBECONFIG", server.kubeconfig(tmp_path / "kubeconfig"))
    yield server
    server.close()
    assert server.wrong == []


def test_a_cluster_that_is_ready(cluster: StandIn) -> None:
    found = {**look("kubernetes", "cluster-cpu"), **look("kuberay", "cluster-cpu")}
    assert {name: finding.state for name, finding in found.items()} == {
        "kubernetes": "ok",
        "secrets": "ok",
        "rights": "ok",
        "kuberay": "ok",
    }
    assert "v1.34.1, asked as anna, namespace 'team'" in found["kubernetes"].sentence
    assert "service account 'earthenware-steps' may do all" in found["rights"].sentence
    users = {body["spec"]["user"] for body in cluster.asked if "Access" in body["kind"]}
    assert users == {ACCOUNT}


def test_missing_rights_are_named(cluster: StandIn) -> None:
    cluster.rights[ACCOUNT] -= {("ray.io", "rayjobs", "create"), ("", "pods/log", "get")}
    finding = look("kubernetes", "cluster-cpu")["rights"]
    assert finding.state == "failed"
    assert "may not create rayjobs.ray.io, get pods/log in the namespace 'team'" in finding.sentence
    assert "chart" in finding.remedy


def test_who_may_not_ask_about_others_is_told_about_itself(cluster: StandIn) -> None:
    cluster.forbidden = {f"/apis/authorization.k8s.io/v1/namespaces/{NAMESPACE}/localsubjectaccessreviews"}
    finding = look("kubernetes", "cluster-cpu")["rights"]
    assert finding.state == "ok"
    assert "This user may do all" in finding.sentence
    assert "About 'earthenware-steps' this user may not ask" in finding.sentence
    cluster.rights[USER] = set()
    finding = look("kubernetes", "cluster-cpu")["rights"]
    assert finding.state == "warning"  # the steps may have the rights all the same
    assert "create rayjobs.ray.io" in finding.sentence


def test_a_profile_without_a_service_account_asks_about_the_user(cluster: StandIn) -> None:
    profile = load_profile("cluster-cpu").model_copy(update={"service_account": ""})
    cluster.rights[USER] -= {("ray.io", "rayjobs", "delete")}
    finding = look("kubernetes", profile)["rights"]
    assert finding.state == "failed"
    assert "This user may not delete rayjobs.ray.io" in finding.sentence


def test_secrets_and_the_service_account_that_the_profile_names(cluster: StandIn) -> None:
    finding = look("kubernetes", "cluster-cpu")["secrets"]
    assert "The 2 Secrets and the service account that the profile names exist" in finding.sentence
    del cluster.objects[cluster.secret("earthenware-mlflow")]
    account = cluster.objects.pop(cluster.account("earthenware-steps"))
    finding = look("kubernetes", "cluster-cpu")["secrets"]
    assert finding.state == "failed"
    assert "no Secret 'earthenware-mlflow', no service account 'earthenware-steps'" in finding.sentence
    cluster.objects[cluster.account("earthenware-steps")] = account
    cluster.forbidden = {cluster.secret(name) for name in SECRETS}
    assert look("kubernetes", "cluster-cpu")["secrets"].state == "skipped"


def test_rights_are_asked_for_where_the_rayjobs_are_created(cluster: StandIn) -> None:
    text = "base: cluster-cpu\nsteps: {train: {ray: {namespace: gpus}}}\n"
    profile = Path(os.environ["KUBECONFIG"]).with_name("mine.yaml")
    profile.write_text(text)
    finding = look("kubernetes", str(profile))["rights"]
    assert "in the namespace 'gpus'" in finding.sentence
    spaces = {body["spec"]["resourceAttributes"]["namespace"] for body in cluster.asked if "Access" in body["kind"]}
    assert spaces == {"gpus"}
    assert all(body["spec"]["user"] == ACCOUNT for body in cluster.asked if "Access" in body["kind"])


def test_credentials_that_ran_out(cluster: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig(tmp_path / "kubeconfig", token="expired-token"))
    found = look("kubernetes", "cluster-cpu")
    assert found["kubernetes"].state == "failed"
    assert "HTTP 401" in found["kubernetes"].sentence
    assert "Log in again" in found["kubernetes"].remedy
    assert found["rights"].state == "skipped"
    assert "expired-token" not in repr(found)


def test_kubeconfigs_that_are_no_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kubeconfig"
    for text in (None, "", "{not: [yaml", "apiVersion: v1\nkind: Config\n"):
        if text is not None:
            path.write_text(text)
        monkeypatch.setenv("KUBECONFIG", str(path))
        finding = look("kubernetes", "cluster-cpu")["kubernetes"]
        assert finding.state == "failed"
        assert "kubeconfig" in finding.sentence
        assert "KUBECONFIG" in finding.remedy


def test_nobody_there_and_nobody_answering(
    cluster: StandIn, closed: str, silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig(tmp_path / "kubeconfig", server=closed))
    assert "connection refused" in look("kubernetes", "cluster-cpu")["kubernetes"].sentence
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig(tmp_path / "kubeconfig", server=silent))
    began = time.monotonic()
    finding = look("kubernetes", "cluster-cpu", seconds=1.0)["kubernetes"]
    assert finding.state == "failed"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("cluster", "state"), [("25", "warning"), ("31", "ok"), ("35+", "ok"), ("40", "warning")], indirect=["cluster"]
)
def test_releases(cluster: StandIn, state: str) -> None:
    assert look("kubernetes", "cluster-cpu")["kubernetes"].state == state


def kuberay() -> tuple[str, str]:
    finding = look("kuberay", "cluster-cpu")["kuberay"]
    return finding.state, finding.sentence


def test_kuberay(cluster: StandIn) -> None:
    assert kuberay()[0] == "ok"
    cluster.objects[RAY_FIELDS] = ray_schema("preRunningDeadlineSeconds")
    assert kuberay() == (
        "failed",
        "RayJob lacks preRunningDeadlineSeconds: its CRDs are older than KubeRay 1.6.",
    )
    cluster.objects[RAY_FIELDS] = ray_schema("authOptions", "deletionRules")
    assert "deletionStrategy.deletionRules, rayClusterSpec.authOptions" in kuberay()[1]
    cluster.objects[RAY_FIELDS] = {"openapi": "3.0.0"}
    assert kuberay()[0] == "warning"
    cluster.forbidden = {RAY_FIELDS}
    assert kuberay()[0] == "warning"
    cluster.objects[RAY] = ray_resources("rayclusters")
    assert kuberay()[0] == "failed"
    del cluster.objects[RAY]
    assert "not installed" in kuberay()[1]


def test_the_fields_are_those_of_the_published_schema() -> None:
    import json

    path = Path(__file__).resolve().parents[3] / "shared" / "reference" / "crds" / "rayjob.v1.schema.json"
    if not path.is_file():
        pytest.skip("no published schema beside the checkout")
    from earthenware.doctor._cluster import _FIELDS, _has

    spec = json.loads(path.read_text())["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert [field for field in _FIELDS if not _has(spec, field)] == []


def test_accelerators_of_the_nodes(cluster: StandIn) -> None:
    def gpus() -> tuple[str, str]:
        finding = look("kubernetes", "cluster-gpu")["nvidia.com/gpu"]
        return finding.state, finding.sentence

    cluster.set_nodes(({"a": "b"}, {"cpu": "8"}), ({}, {"nvidia.com/gpu": "4"}), ({}, {"nvidia.com/gpu": "2"}))
    assert gpus() == ("ok", "2 of 3 nodes offer 6 x nvidia.com/gpu.")
    cluster.set_nodes(({}, {"cpu": "8"}))
    assert gpus()[0] == "warning"
    everywhere = Profile.model_validate(
        {"defaults": {"resources": {"accelerator": "amd.com/gpu", "accelerators": 1}, "node_selector": {"pool": "a"}}}
    )
    cluster.set_nodes(({"pool": "a"}, {"amd.com/gpu": "1"}), ({}, {"amd.com/gpu": "8"}))
    finding = look("kubernetes", everywhere)["amd.com/gpu"]
    assert finding.sentence == "1 of the 1 nodes with pool=a offer 1 x amd.com/gpu."
    cluster.forbidden = {"/api/v1/nodes"}
    assert gpus()[0] == "skipped"
    assert "nvidia.com/gpu" not in look("kubernetes", "cluster-cpu")
