"""Policies that every release of the chart keeps, and, for each, releases that it must catch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts import links, policies
from tests.charts.release import EXISTING_SECRETS, VARIANTS, Document, Release, render

ACCOUNTS = {"default", "default-editor", "pipeline-runner"}
ROLES = {"pipeline-runner", "kubeflow-edit"}


def references(documents: list[Document]) -> list[str]:
    return links.references(documents, EXISTING_SECRETS, ACCOUNTS, ROLES)


EVERYWHERE = (
    policies.restricted,
    policies.resources,
    policies.probes,
    policies.images,
    policies.plaintext_secrets,
    policies.tokens,
    links.services,
    links.names,
    references,
)


@pytest.mark.parametrize("policy", EVERYWHERE, ids=lambda policy: policy.__name__)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_release_keeps_every_policy(variant: str, policy: Callable[[list[Document]], list[str]]) -> None:
    assert policy(render(VARIANTS[variant]).documents) == []


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "smallest"])
def test_every_pod_is_closed_and_every_network_policy_is_of_use(variant: str) -> None:
    assert links.network(render(VARIANTS[variant]).documents) == []


@pytest.mark.parametrize("name", ["a", "a" * 53, "earthenware" + "-b" * 21, "x-" * 26 + "y"])
def test_names_fit_for_every_release_name(name: str) -> None:
    for values in VARIANTS.values():
        assert links.names(render(values, name=name).documents) == []


def change(path: str, value: Any) -> Callable[[Document], None]:
    """Return what sets, or with None removes, the field at a path such as ``spec.containers.0.image``."""

    def apply(document: Document) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.replace("\\.", "\0").split("."))
        node: Any = document
        for part in parents:
            node = node[part.replace("\0", ".") if isinstance(part, str) else part]
        last = last.replace("\0", ".") if isinstance(last, str) else last
        if value is None:
            del node[last]
        else:
            node[last] = value

    return apply


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
SECURITY = f"{CONTAINER}.securityContext"
MLFLOW = ("Deployment", "earthenware-mlflow")
OPENED = [{"name": "X", "value": "postgresql://user:pa55@db/x"}]
BREACHES: list[tuple[Callable[[list[Document]], list[str]], tuple[str, str], Callable[[Document], None], str]] = [
    (policies.restricted, MLFLOW, change(f"{POD}.hostNetwork", True), "hostNetwork"),
    (policies.restricted, MLFLOW, change(f"{POD}.volumes.0", {"name": "x", "hostPath": {"path": "/"}}), "hostPath"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.allowPrivilegeEscalation", None), "allowPrivilegeEscalation"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.readOnlyRootFilesystem", False), "readOnlyRootFilesystem"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.capabilities", {"drop": ["NET_RAW"]}), "capabilities"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.capabilities.add", ["SYS_ADMIN"]), "capabilities"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.privileged", True), "privileged"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.runAsNonRoot", False), "runAsNonRoot"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.runAsUser", 0), "runAsUser"),
    (policies.restricted, MLFLOW, change(f"{POD}.securityContext.runAsUser", None), "runAsUser"),
    (policies.restricted, MLFLOW, change(f"{SECURITY}.seccompProfile.type", "Unconfined"), "seccompProfile"),
    (policies.restricted, MLFLOW, change(f"{POD}.initContainers.1.securityContext", {}), "mlflow/auth: capabilities"),
    (policies.restricted, ("Pod", "earthenware-test"), change("spec.hostPID", True), "Pod/earthenware-test: hostPID"),
    (policies.resources, MLFLOW, change(f"{CONTAINER}.resources.limits.memory", None), "limits.memory"),
    (policies.resources, MLFLOW, change(f"{POD}.initContainers.0.resources", {}), "requests.cpu"),
    (policies.resources, ("Job", "earthenware-bucket"), change(f"{CONTAINER}.resources.requests", None), "requests"),
    (policies.probes, MLFLOW, change(f"{CONTAINER}.livenessProbe", None), "livenessProbe"),
    (
        policies.probes,
        ("StatefulSet", "earthenware-seaweedfs"),
        change(f"{CONTAINER}.readinessProbe", None),
        "readiness",
    ),
    (policies.probes, MLFLOW, change(f"{CONTAINER}.startupProbe.httpGet.port", "metrics"), "unknown port metrics"),
    (policies.images, MLFLOW, change(f"{CONTAINER}.image", "ghcr.io/a/b:latest"), "b:latest"),
    (policies.images, MLFLOW, change(f"{CONTAINER}.image", "registry:5000/a/b"), "registry:5000/a/b"),
    (policies.plaintext_secrets, ("ConfigMap", "earthenware-mlflow"), change("kind", "Secret"), "a Secret"),
    (policies.plaintext_secrets, MLFLOW, change(f"{CONTAINER}.env", OPENED), "URI with a password"),
    (policies.plaintext_secrets, MLFLOW, change(f"{CONTAINER}.env.0.name", "PGPASSWORD"), "PGPASSWORD"),
    (policies.plaintext_secrets, MLFLOW, change(f"{CONTAINER}.args.2", "--db-password=hunter2"), "--db-password"),
    (
        policies.plaintext_secrets,
        ("ConfigMap", "earthenware-mlflow"),
        change("data.auth\\.ini", "[mlflow]\nadmin_password = password1234\n"),
        "admin_password",
    ),
    (policies.tokens, MLFLOW, change(f"{POD}.automountServiceAccountToken", None), "mounts a token"),
    (
        policies.tokens,
        ("ServiceAccount", "earthenware"),
        change("automountServiceAccountToken", True),
        "offers a token",
    ),
    (
        links.network,
        ("NetworkPolicy", "earthenware-default"),
        change("spec.policyTypes", ["Egress"]),
        "open for Ingress",
    ),
    (
        links.network,
        ("NetworkPolicy", "earthenware-mlflow"),
        change("spec.podSelector.matchLabels.app\\.kubernetes\\.io/component", "mlfow"),
        "selects no pod",
    ),
    (links.network, ("NetworkPolicy", "earthenware-mlflow"), change("spec.ingress.0.from", None), "from anywhere"),
    (
        links.network,
        ("NetworkPolicy", "earthenware-postgresql"),
        change("spec.ingress.0.from.0.podSelector.matchLabels", {"app.kubernetes.io/component": "nobody"}),
        "a pod that is not there",
    ),
    (links.network, ("NetworkPolicy", "earthenware-mlflow"), change("spec.ingress.0.ports.0.port", "web"), ": web"),
    (links.network, ("NetworkPolicy", "earthenware-bucket"), change("spec.egress.0.ports", None), "every port"),
    (links.services, ("Service", "earthenware-mlflow"), change("spec.selector", {"app": "other"}), "selects no pod"),
    (links.services, ("Service", "earthenware-mlflow"), change("spec.ports.0.targetPort", "web"), "no port web"),
    (links.services, MLFLOW, change("spec.selector.matchLabels", {"app": "other"}), "its own pods"),
    (references, MLFLOW, change(f"{POD}.serviceAccountName", "gone"), "ServiceAccount/gone"),
    (references, MLFLOW, change(f"{POD}.volumes.2.configMap.name", "gone"), "ConfigMap/gone"),
    (references, MLFLOW, change(f"{CONTAINER}.volumeMounts.0.name", "gone"), "Volume/gone"),
    (
        references,
        ("StatefulSet", "earthenware-postgresql"),
        change(f"{CONTAINER}.env.2.valueFrom.secretKeyRef.name", "made-by-the-chart"),
        "Secret/made-by-the-chart",
    ),
    (references, ("RoleBinding", "earthenware-steps"), change("roleRef.name", "cluster-admin"), "cluster-admin"),
    (references, ("RoleBinding", "earthenware-steps"), change("subjects.0.name", "gone"), "account gone"),
    (links.names, ("StatefulSet", "earthenware-postgresql"), change("metadata.name", "p" * 53), "name"),
    (links.names, MLFLOW, change("metadata.labels.team", "t" * 64), "label team"),
]


@pytest.fixture(scope="module")
def trial() -> Release:
    return render(VARIANTS["trial"])


@pytest.mark.parametrize(
    ("policy", "target", "breach", "said"),
    BREACHES,
    ids=[f"{number}-{b[0].__name__}" for number, b in enumerate(BREACHES)],
)
def test_each_policy_catches_what_breaks_it(
    trial: Release,
    policy: Callable[[list[Document]], list[str]],
    target: tuple[str, str],
    breach: Callable[[Document], None],
    said: str,
) -> None:
    release = Release(copy.deepcopy(trial.documents), "")
    breach(release.one(*target))
    assert any(said in line for line in policy(release.documents)), policy(release.documents)


def test_a_hook_before_the_install_may_not_lean_on_what_the_install_makes() -> None:
    release = render(VARIANTS["existing-kubeflow"])
    job = release.one("Job", "earthenware-migrate")
    assert references(release.documents) == []
    job["spec"]["template"]["spec"]["serviceAccountName"] = "earthenware"
    assert references(release.documents) == ["Job/earthenware-migrate: ServiceAccount/earthenware"]


def test_an_ingress_to_nowhere_is_caught() -> None:
    release = render(VARIANTS["existing-kubeflow"])
    backend = release.one("Ingress", "earthenware-mlflow")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    backend["port"]["name"] = "web"
    assert len(links.services(release.documents)) == 1
