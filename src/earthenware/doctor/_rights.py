"""What the steps' service account may do on the cluster, compared with what the launcher calls."""

from __future__ import annotations

from typing import Any

from earthenware.doctor._finding import Verdict, failed, ok, warning
from earthenware.doctor._kubernetes import Cluster
from earthenware.errors import EarthenwareError
from earthenware.launch import PERMISSIONS


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
    denied = _denied(cluster, account, namespace)
    if denied is not None:
        subject = f"The service account '{service_account}'" if service_account else "This user"
        if not denied:
            return ok(f"{subject} may do all that the launcher does {where}.")
        remedy = "Install the chart there, or bind its Role; --namespace names another namespace."
        return failed(f"{subject} may not {', '.join(denied)} {where}.", remedy)
    denied = _denied(cluster, "", namespace) if account else None
    if denied is None:
        message = f"The cluster does not tell what may be done {where}."
        raise EarthenwareError("UNANSWERED", message, "Let every user ask about itself: ClusterRole system:basic-user.")
    other = f"About '{service_account}' this user may not ask."
    if not denied:
        return ok(f"This user may do all that the launcher does {where}. {other}")
    # What this user may not, the steps may well.
    sentence = f"This user may not {', '.join(denied)} {where}. {other}"
    return warning(sentence, f"See to it that '{service_account}' may: the chart's Role grants it.")


def _denied(cluster: Cluster, user: str, namespace: str) -> list[str] | None:
    """Return what a user, or oneself where that is empty, may not; None where the cluster does not tell."""
    denied = []
    for group, resource, verbs in PERMISSIONS:
        for verb in verbs:
            status, review = cluster.call("POST", *_question(user, namespace, group, resource, verb))
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
