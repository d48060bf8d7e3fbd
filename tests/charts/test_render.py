"""Every example renders, lints and is valid for every supported Kubernetes; what contradicts itself is refused."""

from __future__ import annotations

import re
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

import earthenware
from tests.charts.release import CHART, VARIANTS, Document, hooks, pods, render

KUBERNETES = ("1.31", "1.32", "1.33", "1.34", "1.35")


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_valid_for_every_supported_kubernetes(variant: str, version: str) -> None:
    documents = render(VARIANTS[variant]).documents
    for one in documents:
        kubernetes_validate.validate(one, version, strict=True)


def test_validation_catches_a_misspelt_field() -> None:
    document = render(VARIANTS["trial"]).one("Deployment", "earthenware-mlflow")
    document["spec"]["template"]["spec"]["containers"][0]["imagePullPolicyy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePullPolicyy"):
        kubernetes_validate.validate(document, KUBERNETES[0], strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("variant", [*VARIANTS, "defaults"])
def test_lints_without_a_warning(variant: str, version: str) -> None:
    report = helm_python.lint(CHART, VARIANTS.get(variant, {}), strict=True, kube_version=f"v{version}.0")
    assert report["errors"] == []
    assert [one for one in report["messages"] if one["severity"] > 1] == []


def test_versions_are_the_packages_own() -> None:
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert metadata["version"] == metadata["appVersion"] == earthenware.__version__
    image = render(VARIANTS["trial"]).one("Job", "earthenware-bucket")["spec"]["template"]["spec"]["containers"][0][
        "image"
    ]
    assert image == f"ghcr.io/earthenware/earthenware-python:{earthenware.__version__}"


def test_packs_into_an_archive_that_renders(tmp_path: Any) -> None:
    archive = helm_python.package(CHART, destination=tmp_path)
    files = helm_python.Chart.load(archive).render(VARIANTS["trial"], name="x", namespace="y")
    assert any("make_bucket" in text or "ensure_bucket" in text for text in files.values())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Set database.host"),
        ({"database": {"host": "db"}, "trial": {"postgresql": {"enabled": True}}}, "not both"),
        ({"mlflow": {"replicas": 2}, "trial": {"postgresql": {"enabled": True}}}, "mlflow.replicas must be 1"),
        ({"database": {"host": "db", "sslMode": "verify-full"}}, "need database.caSecret"),
        ({"database": {"caSecret": "ca"}, "trial": {"postgresql": {"enabled": True}}}, "does not use it"),
        ({"store": {"endpoint": "http://s3"}, "trial": {"seaweedfs": {"enabled": True}}}, "not both"),
        ({"store": {"existingSecret": ""}, "trial": {"seaweedfs": {"enabled": True}}}, "needs store.existingSecret"),
        ({"database": {"host": "db"}, "mlflow": {"ingress": {"enabled": True}}}, "needs mlflow.ingress.host"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_contradictions_are_refused_with_a_remedy(values: Document, said: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=re.escape(said)):
        render(values)


def test_a_changed_configuration_restarts_the_server() -> None:
    def checksum(values: Document) -> str:
        template = render(values).one("Deployment", "earthenware-mlflow")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    changed = {**VARIANTS["trial"], "mlflow": {"defaultPermission": "EDIT"}}
    assert checksum(VARIANTS["trial"]) == checksum(VARIANTS["trial"]) != checksum(changed)


def test_migrations_run_before_the_servers_of_a_new_version_start() -> None:
    release = render(VARIANTS["existing-kubeflow"])
    job = release.one("Job", "earthenware-migrate")
    assert hooks(job) == {"pre-install", "pre-upgrade"}
    assert "initContainers" not in release.one("Deployment", "earthenware-mlflow")["spec"]["template"]["spec"]


def test_without_a_database_before_the_install_the_single_server_migrates_it_itself() -> None:
    release = render(VARIANTS["trial"])
    assert not [one for one in release.documents if one["metadata"]["name"] == "earthenware-migrate"]
    deployment = release.one("Deployment", "earthenware-mlflow")["spec"]
    assert deployment["replicas"] == 1
    before = [container["args"] for container in deployment["template"]["spec"]["initContainers"]]
    job = render(VARIANTS["existing-kubeflow"]).one("Job", "earthenware-migrate")["spec"]["template"]["spec"]
    assert before == [container["args"] for container in (*job["initContainers"], *job["containers"])]


def test_the_bucket_is_made_when_the_store_is_there() -> None:
    for variant in ("trial", "existing-kubeflow"):
        assert hooks(render(VARIANTS[variant]).one("Job", "earthenware-bucket")) == {"post-install", "post-upgrade"}


def test_several_servers_get_a_disruption_budget_and_one_does_not() -> None:
    def kinds(variant: str) -> set[str]:
        return {one["kind"] for one in render(VARIANTS[variant]).documents}

    assert "PodDisruptionBudget" in kinds("existing-kubeflow")
    assert "PodDisruptionBudget" not in kinds("trial")


def test_allowed_hosts_are_the_names_of_the_service_and_what_is_asked_for() -> None:
    release = render(VARIANTS["all-options"], name="r", namespace="ns")
    (server,) = release.one("Deployment", "r-earthenware-mlflow")["spec"]["template"]["spec"]["containers"]
    (text,) = [one["value"] for one in server["env"] if one["name"] == "MLFLOW_SERVER_ALLOWED_HOSTS"]
    hosts = text.split(",")
    service = release.one("Service", "r-earthenware-mlflow")["metadata"]["name"]
    assert {service, f"{service}:8080", f"{service}.ns.svc.cluster.local:8080", "mlflow.internal"} <= set(hosts)
    assert "*" not in hosts


def test_common_labels_reach_every_object_and_pod_and_no_selector() -> None:
    documents = render(VARIANTS["all-options"]).documents
    assert all(one["metadata"]["labels"]["team"] == "earth" for one in documents)
    assert all(one["metadata"]["annotations"]["example.org/cost-centre"] == "42" for one in documents)
    assert all(pod.labels["team"] == "earth" for pod in pods(documents))
    for one in documents:
        selector = one["spec"].get("selector", {}) if one["kind"] in ("Deployment", "Service", "StatefulSet") else {}
        assert "team" not in {**selector, **selector.get("matchLabels", {})}


def test_images_are_the_platforms_own_and_two_that_are_kept_up() -> None:
    found = {
        re.split(r"[:@]", container["image"])[0]
        for values in VARIANTS.values()
        for pod in pods(render(values).documents)
        for _, container in pod.containers()
    }
    own = "ghcr.io/earthenware/earthenware-python"
    assert found == {own, "docker.io/library/postgres", "ghcr.io/chrislusf/seaweedfs"}
    assert "dependencies" not in yaml.safe_load((CHART / "Chart.yaml").read_text())


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_service_becomes_a_variable_of_a_program(variant: str) -> None:
    assert all(pod.spec["enableServiceLinks"] is False for pod in pods(render(VARIANTS[variant]).documents))
