"""What a profile takes for granted on the cluster: Secrets, a service account, nodes with accelerators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from earthenware.doctor._finding import Verdict, failed, ok, skipped, warning
from earthenware.doctor._kubernetes import Cluster
from earthenware.errors import EarthenwareError

_NAMES_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for an object without what is in it: what a Secret holds is none of our business."""


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
        status, _ = cluster.call("GET", path, accept=_NAMES_ONLY)
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
    status, answer = cluster.call("GET", "/api/v1/nodes", query=query)
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
