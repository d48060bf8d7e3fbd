"""A cluster: its Kubeflow Pipelines, whether it answers, what a profile and the steps need there, and its KubeRay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from earthenware.doctor._examine import Check, Verdict, failed, ok, skipped, warning
from earthenware.errors import EarthenwareError
from earthenware.kubeflow import Connection, KubeflowClient
from earthenware.launch import PERMISSIONS, Cluster, RefusedError

_LEAST: Final = (2, 17)
"""Release of Kubeflow Pipelines that the compiled pipelines need."""
_ROOT: Final = "Give the root of Kubeflow Pipelines, such as https://HOST/pipeline, by --host or KFP_HOST."
_OLDEST, _NEWEST = 31, 35
"""Minor releases of Kubernetes 1 that the objects are validated against."""
_NAMES_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for an object without what is in it: what a Secret holds is none of our business."""
_JSON: Final = "application/json"
_STATUSES: Final = frozenset(range(400, 600)) - {401}
_INSTALL: Final = "Let the cluster's administrator install the KubeRay operator, version 1.6 or later, with its CRDs."
_SCHEMA: Final = "io.ray.v1.RayJob"
_FIELDS: Final = ("preRunningDeadlineSeconds", "deletionStrategy.deletionRules", "rayClusterSpec.authOptions")
"""Fields of a RayJob's spec that the launcher needs; the first came with KubeRay 1.6, the others before."""


def kubeflow_checks(connection: Connection | None, seconds: float) -> list[Check]:
    """Return the checks of a Kubeflow Pipelines server, each for so many seconds at most."""
    if connection is None:
        return [Check("kubeflow pipelines", lambda: skipped("No host was given.", _ROOT))]
    wait = seconds * 0.6
    return [
        Check("kubeflow pipelines", lambda: _check_health(connection, wait), "", seconds),
        Check("kubeflow pipelines: login", lambda: _check_login(connection, wait), "kubeflow pipelines", seconds),
    ]


def _check_health(connection: Connection, wait: float) -> Verdict:
    health = KubeflowClient(connection, (wait / 2, wait)).to("say that it is healthy").get("healthz")
    if health.get("apiServerReady") is False:  # the user interface answers in the place of the API
        sentence = f"'{connection.host}' answers, but its API server does not."
        return failed(sentence, "Look at the pod ml-pipeline in Kubeflow's namespace.")
    if "multi_user" not in health:
        return failed(f"'{connection.host}' does not answer as Kubeflow Pipelines does.", _ROOT)
    tag = str(health.get("tag_name") or health.get("apiServerTagName") or "unknown")
    numbers = tag.removeprefix("v").split(".")
    users = "several users" if health["multi_user"] else "one user"
    if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
        sentence = f"'{connection.host}' answers ({users}), but does not tell its version ({tag})."
        return warning(sentence, f"See to it that it is {_LEAST[0]}.{_LEAST[1]} or later.")
    if (int(numbers[0]), int(numbers[1])) < _LEAST:
        sentence = f"'{connection.host}' runs Kubeflow Pipelines {tag}."
        remedy = f"Upgrade it to {_LEAST[0]}.{_LEAST[1]} or later, which the pipelines are compiled for."
        return failed(sentence, remedy)
    return ok(f"'{connection.host}' runs Kubeflow Pipelines {tag} for {users}.")


def _check_login(connection: Connection, wait: float) -> Verdict:
    namespace = {"namespace": connection.namespace} if connection.namespace else {}
    client = KubeflowClient(connection, (wait / 2, wait))
    client.to("list experiments").get("experiments", page_size=1, **namespace)
    place = f" in the namespace '{connection.namespace}'" if namespace else ""
    return ok(f"Experiments can be listed{place}.")


def _ask(
    cluster: Cluster, path: str, body: Any = None, query: Mapping[str, str] | None = None, accept: str = _JSON
) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object that a request is answered with; empty where the answer is an error."""
    verb = "get" if body is None else "create"
    try:
        answer = cluster.call(verb, path, path, body=body, query=query, accept=accept, expected=_STATUSES)
    except RefusedError as refusal:
        return refusal.status, {}
    return 200, answer if isinstance(answer, dict) else {}


def check_cluster(cluster: Cluster) -> Verdict:
    """Tell the cluster's version and who asks."""
    _, version = _ask(cluster, "/version")
    minor = "".join(letter for letter in str(version.get("minor", "")) if letter.isdigit())
    if not minor:
        return failed("The server does not answer as Kubernetes does.", "Check the address in the kubeconfig.")
    # Not every cluster tells, nor tells everybody, who it takes one for.
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    _, review = _ask(cluster, "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    who = review.get("status", {}).get("userInfo", {}).get("username", "")
    asked = f", asked as {who}" if who else ""
    sentence = f"Kubernetes {version.get('gitVersion', 'unknown')}{asked}, namespace '{cluster.namespace}'."
    if not _OLDEST <= int(minor) <= _NEWEST:
        remedy = f"This release was made for Kubernetes 1.{_OLDEST} to 1.{_NEWEST}; others were not tried."
        return warning(sentence, remedy)
    return ok(sentence)


def check_secrets(cluster: Cluster, service_account: str, secrets: Collection[str]) -> Verdict:
    """Look whether the Secrets that pods cannot start without, and the steps' service account, exist."""
    wanted = [("secrets", name) for name in sorted(secrets)]
    wanted += [("serviceaccounts", service_account)] if service_account else []
    missing, hidden = [], []
    for kind, name in wanted:
        path = f"/api/v1/namespaces/{cluster.namespace}/{kind}/{name}"
        status, _ = _ask(cluster, path, accept=_NAMES_ONLY)
        words = f"{'Secret' if kind == 'secrets' else 'service account'} '{name}'"
        if status == 404:
            missing.append(words)
        elif status != 200:
            hidden.append(words)
    where = f"in the namespace '{cluster.namespace}'"
    if missing:
        remedy = "Create it, install the chart, or name another one in the profile: pods wait for it without an end."
        return failed(f"There is no {', no '.join(missing)} {where}.", remedy)
    if hidden:
        remedy = f"Let somebody who may look see to it: kubectl -n {cluster.namespace} get secrets,serviceaccounts."
        return skipped(f"This user may not look for the {', '.join(hidden)} {where}.", remedy)
    count = f"{len(secrets)} Secret{'' if len(secrets) == 1 else 's'}"
    account = " and the service account" if service_account else ""
    return ok(f"The {count}{account} that the profile names exist {where}.")


def check_nodes(cluster: Cluster, accelerator: str, selector: Mapping[str, str]) -> Verdict:
    """Count what the nodes with the profile's labels offer of an accelerator, such as ``nvidia.com/gpu``."""
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in selector.items())} if selector else {}
    status, answer = _ask(cluster, "/api/v1/nodes", query=query)
    if status == 403:
        return skipped("This user may not list the cluster's nodes.", f"Ask its administrator for {accelerator}.")
    if status != 200:
        message = f"The cluster answered HTTP {status} when asked for its nodes."
        raise EarthenwareError("UNANSWERED", message, "Try again later.")
    nodes = answer.get("items") or []
    offered = [int(str(node["status"].get("allocatable", {}).get(accelerator, "0"))) for node in nodes]
    having = sum(number > 0 for number in offered)
    among = f"the {len(nodes)} nodes with {query['labelSelector']}" if query else f"{len(nodes)} nodes"
    if not having:
        remedy = "Add a node with its device plugin, or correct node_selector; a cluster that grows on demand may do."
        return warning(f"None of {among} offers {accelerator} now.", remedy)
    return ok(f"{having} of {among} offer {sum(offered)} x {accelerator}.")


def check_rights(cluster: Cluster, service_account: str, namespace: str) -> Verdict:
    """Ask for each thing that the launcher does whether the steps' service account may do it.

    Without a service account, or where this user may not ask about others, the question is what the user itself may do.
    """
    namespace = namespace or cluster.namespace
    where = f"in the namespace '{namespace}'"
    subject, other = f"The service account '{service_account}'" if service_account else "This user", ""
    account = f"system:serviceaccount:{cluster.namespace}:{service_account}" if service_account else ""
    denied = _lacking(cluster, account, namespace)
    if denied is None and account:
        subject, other = "This user", f" About '{service_account}' this user may not ask."
        denied = _lacking(cluster, "", namespace)
    if denied is None:
        message = f"The cluster does not tell what may be done {where}."
        raise EarthenwareError("UNANSWERED", message, "Let every user ask about itself: ClusterRole system:basic-user.")
    if not denied:
        return ok(f"{subject} may do all that the launcher does {where}.{other}")
    sentence = f"{subject} may not {', '.join(denied)} {where}.{other}"
    if other:  # what this user may not, the steps may well
        return warning(sentence, f"See to it that '{service_account}' may: the chart's Role grants it.")
    return failed(sentence, "Install the chart there, or bind its Role; --namespace names another namespace.")


def _lacking(cluster: Cluster, user: str, namespace: str) -> list[str] | None:
    """Return what a user, or oneself where that is empty, may not; None where the cluster does not tell."""
    denied = []
    for group, resource, verbs in PERMISSIONS:
        for verb in verbs:
            status, review = _ask(cluster, *_question(user, namespace, group, resource, verb))
            if "allowed" not in review.get("status", {}):
                if status in (0, 403, 404):
                    return None
                message = f"The cluster answered HTTP {status} when asked for rights."
                raise EarthenwareError("UNANSWERED", message, "Try again later.")
            if not review["status"]["allowed"]:
                denied.append(f"{verb} {resource}{f'.{group}' if group else ''}")
    return denied


def _question(user: str, namespace: str, group: str, resource: str, verb: str) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the review that asks for one right."""
    name, _, part = resource.partition("/")
    what = {"namespace": namespace, "group": group, "resource": name, "subresource": part, "verb": verb}
    spec: dict[str, Any] = {"resourceAttributes": {key: value for key, value in what.items() if value}}
    body: dict[str, Any] = {"apiVersion": "authorization.k8s.io/v1", "spec": spec}
    if not user:
        return "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {**body, "kind": "SelfSubjectAccessReview"}
    home = user.split(":")[2]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]
    spec |= {"user": user, "groups": groups}
    body |= {"kind": "LocalSubjectAccessReview", "metadata": {"namespace": namespace}}
    return f"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews", body


def check_kuberay(cluster: Cluster) -> Verdict:
    """Look for RayJob version v1 and its fields in what the API server tells everybody about its resources.

    The version of the operator stands on objects that few may read; the fields tell whether the CRDs are recent enough.
    """
    status, group = _ask(cluster, "/apis/ray.io/v1")
    if status == 404:
        return failed("KubeRay is not installed: the cluster has no ray.io/v1.", _INSTALL)
    if status != 200:
        message = f"The cluster answered HTTP {status} when asked for ray.io/v1."
        raise EarthenwareError("UNANSWERED", message, "Let every user look: ClusterRole system:discovery.")
    resources = group.get("resources") or []
    if not any(one.get("name") == "rayjobs" for one in resources):
        return failed("The cluster has ray.io/v1, but no RayJob in it.", _INSTALL)
    status, document = _ask(cluster, "/openapi/v3/apis/ray.io/v1")
    if status != 200:
        sentence = f"RayJob is there; of what version the cluster does not tell (HTTP {status})."
        return warning(sentence, "See to it that KubeRay is 1.6 or later.")
    spec = _properties(_properties(document.get("components", {}).get("schemas", {}).get(_SCHEMA, {})).get("spec", {}))
    if not spec:
        return warning("RayJob is there; the cluster does not tell its fields.", "KubeRay must be 1.6 or later.")
    missing = [field for field in _FIELDS if not _has(spec, field)]
    if missing:
        return failed(f"RayJob lacks {', '.join(missing)}: its CRDs are older than KubeRay 1.6.", _INSTALL)
    return ok("RayJob ray.io/v1 is there, with the fields of KubeRay 1.6 or later.")


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found = schema.get("properties", {})
    return found if isinstance(found, dict) else {}


def _has(properties: dict[str, Any], path: str) -> bool:
    first, _, rest = path.partition(".")
    return first in properties and (not rest or _has(_properties(properties[first]), rest))
