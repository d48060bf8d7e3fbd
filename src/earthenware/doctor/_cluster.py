"""A cluster: whether it answers, what a profile takes for granted on it, what the steps may do, and its KubeRay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from earthenware.doctor._finding import Verdict, failed, ok, skipped, warning
from earthenware.errors import EarthenwareError
from earthenware.launch import PERMISSIONS, Cluster, Pace

_OLDEST, _NEWEST = 31, 35
"""Minor releases of Kubernetes 1 that the objects are validated against."""
_NAMES_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for an object without what is in it: what a Secret holds is none of our business."""
_INSTALL: Final = "Let the cluster's administrator install the KubeRay operator, version 1.6 or later, with its CRDs."
_SCHEMA: Final = "io.ray.v1.RayJob"
_FIELDS: Final = ("preRunningDeadlineSeconds", "deletionStrategy.deletionRules", "rayClusterSpec.authOptions")
"""Fields of a RayJob's spec that the launcher needs; the first came with KubeRay 1.6, the others before."""


def connect_cluster(namespace: str, seconds: float) -> Cluster:
    """Return a cluster that is asked once and not for long; see :class:`~earthenware.launch.Cluster`."""
    return Cluster(Pace(outage=0, denied=0, answer=seconds), namespace)


def check_cluster(cluster: Cluster) -> Verdict:
    """Tell the cluster's version and who asks."""
    _, version = cluster.ask("GET", "/version")
    minor = "".join(letter for letter in str(version.get("minor", "")) if letter.isdigit())
    if not minor:
        return failed("The server does not answer as Kubernetes does.", "Check the address in the kubeconfig.")
    # Not every cluster tells, nor tells everybody, who it takes one for.
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    _, review = cluster.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    who = review.get("status", {}).get("userInfo", {}).get("username", "")
    asked = f", asked as {who}" if who else ""
    sentence = f"Kubernetes {version.get('gitVersion', 'unknown')}{asked}, namespace '{cluster.namespace}'."
    if not _OLDEST <= int(minor) <= _NEWEST:
        remedy = f"This release was made for Kubernetes 1.{_OLDEST} to 1.{_NEWEST}; others were not tried."
        return warning(sentence, remedy)
    return ok(sentence)


def check_secrets(cluster: Cluster, service_account: str, secrets: Collection[str]) -> Verdict:
    """Look whether the Secrets and the service account that a profile names exist.

    Args:
        cluster: Who is asked.
        service_account: The steps' service account; empty for Kubeflow's own.
        secrets: Names of the Secrets that pods cannot start without.
    """
    wanted = [("secrets", name) for name in sorted(secrets)]
    wanted += [("serviceaccounts", service_account)] if service_account else []
    missing, hidden = [], []
    for kind, name in wanted:
        path = f"/api/v1/namespaces/{cluster.namespace}/{kind}/{name}"
        status, _ = cluster.ask("GET", path, accept=_NAMES_ONLY)
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
    """Count what the nodes that the profile selects offer of an accelerator.

    Args:
        cluster: Who is asked.
        accelerator: Its resource name, such as ``nvidia.com/gpu``.
        selector: Labels that the nodes must have.
    """
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in selector.items())} if selector else {}
    status, answer = cluster.ask("GET", "/api/v1/nodes", query=query)
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

    Where this user may not ask about others, the question is what the user itself may do.

    Args:
        cluster: Who is asked.
        service_account: The service account of the steps; empty for this user itself.
        namespace: Where the RayJobs are created; empty for the namespace of the cluster's connection.
    """
    namespace = namespace or cluster.namespace
    where = f"in the namespace '{namespace}'"
    account = f"system:serviceaccount:{cluster.namespace}:{service_account}" if service_account else ""
    denied = _lacking(cluster, account, namespace)
    if denied is not None:
        subject = f"The service account '{service_account}'" if service_account else "This user"
        if not denied:
            return ok(f"{subject} may do all that the launcher does {where}.")
        remedy = "Install the chart there, or bind its Role; --namespace names another namespace."
        return failed(f"{subject} may not {', '.join(denied)} {where}.", remedy)
    denied = _lacking(cluster, "", namespace) if account else None
    if denied is None:
        message = f"The cluster does not tell what may be done {where}."
        raise EarthenwareError("UNANSWERED", message, "Let every user ask about itself: ClusterRole system:basic-user.")
    other = f"About '{service_account}' this user may not ask."
    if not denied:
        return ok(f"This user may do all that the launcher does {where}. {other}")
    # What this user may not, the steps may well.
    sentence = f"This user may not {', '.join(denied)} {where}. {other}"
    return warning(sentence, f"See to it that '{service_account}' may: the chart's Role grants it.")


def _lacking(cluster: Cluster, user: str, namespace: str) -> list[str] | None:
    """Return what a user, or oneself where that is empty, may not; None where the cluster does not tell."""
    denied = []
    for group, resource, verbs in PERMISSIONS:
        for verb in verbs:
            status, review = cluster.ask("POST", *_question(user, namespace, group, resource, verb))
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
    spec |= {
        "user": user,
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"],
    }
    body |= {"kind": "LocalSubjectAccessReview", "metadata": {"namespace": namespace}}
    return f"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews", body


def check_kuberay(cluster: Cluster) -> Verdict:
    """Look for RayJob version v1 and its fields in what the API server tells everybody about its resources.

    The version of the operator stands on objects that few may read; the fields tell whether the CRDs are recent enough.
    """
    status, group = cluster.ask("GET", "/apis/ray.io/v1")
    if status == 404:
        return failed("KubeRay is not installed: the cluster has no ray.io/v1.", _INSTALL)
    if status != 200:
        message = f"The cluster answered HTTP {status} when asked for ray.io/v1."
        raise EarthenwareError("UNANSWERED", message, "Let every user look: ClusterRole system:discovery.")
    resources = group.get("resources") or []
    if not any(one.get("name") == "rayjobs" for one in resources):
        return failed("The cluster has ray.io/v1, but no RayJob in it.", _INSTALL)
    status, document = cluster.ask("GET", "/openapi/v3/apis/ray.io/v1")
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
