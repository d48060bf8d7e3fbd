"""How the objects of a release hang together; each policy returns one line per violation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.charts.release import Document, Pod, hooks, pods, selects


def network(documents: list[Document]) -> list[str]:
    """Every pod is closed both ways by some policy; every policy and peer selects a pod; ports exist."""
    policies = [one for one in documents if one["kind"] == "NetworkPolicy"]
    wrong: list[str] = []
    for pod in pods(documents):
        closed = {kind for one in policies if _covers(one, pod) for kind in one["spec"]["policyTypes"]}
        wrong += [f"{pod.where}: open for {kind}" for kind in {"Ingress", "Egress"} - closed]
    for one in policies:
        where = f"NetworkPolicy/{one['metadata']['name']}"
        chosen = [pod for pod in pods(documents) if _covers(one, pod)]
        if not chosen:
            wrong.append(f"{where}: selects no pod")
        for rule in one["spec"].get("ingress", []):
            wrong += _bad_peers(where, rule.get("from"), documents, "from")
            wrong += [
                f"{where}: {p['port']}" for p in rule.get("ports", []) for pod in chosen if p["port"] not in pod.ports()
            ]
        for rule in one["spec"].get("egress", []):
            wrong += _bad_peers(where, rule.get("to", []), documents, "to")
            if not rule.get("ports"):
                wrong.append(f"{where}: egress to every port")
    return wrong


def _covers(policy: Document, pod: Pod) -> bool:
    same = policy["metadata"]["namespace"] == pod.namespace
    return same and selects(policy["spec"]["podSelector"], pod.labels)


def _bad_peers(where: str, peers: list[Document] | None, documents: list[Document], word: str) -> Iterator[str]:
    if peers is None:
        yield f"{where}: {word} anywhere"
    for peer in peers or []:
        if set(peer) == {"podSelector"} and not any(
            selects(peer["podSelector"], pod.labels) for pod in pods(documents)
        ):
            yield f"{where}: {word} a pod that is not there: {peer['podSelector']}"
        if peer.get("namespaceSelector") == {}:
            yield f"{where}: {word} every namespace"


def services(documents: list[Document]) -> list[str]:
    """Services select pods that have their ports; ingresses name services and ports that exist."""
    wrong: list[str] = []
    offered = {}
    for one in documents:
        if one["kind"] != "Service":
            continue
        where = f"Service/{one['metadata']['name']}"
        offered[one["metadata"]["name"]] = {port["name"] for port in one["spec"]["ports"]}
        chosen = [pod for pod in pods(documents) if selects({"matchLabels": one["spec"]["selector"]}, pod.labels)]
        if not chosen:
            wrong.append(f"{where}: selects no pod")
        for port in one["spec"]["ports"]:
            wrong += [
                f"{where}: {pod.where} has no port {port['targetPort']}"
                for pod in chosen
                if port["targetPort"] not in pod.ports()
            ]
    for one in documents:
        for rule in one["spec"]["rules"] if one["kind"] == "Ingress" else []:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"]["name"] not in offered.get(backend["name"], set()):
                    wrong.append(f"Ingress/{one['metadata']['name']}: no service {backend}")
    for one in documents:
        if one["kind"] in ("Deployment", "StatefulSet"):
            labels = one["spec"]["template"]["metadata"]["labels"]
            if not selects(one["spec"]["selector"], labels):
                wrong.append(f"{one['kind']}/{one['metadata']['name']}: does not select its own pods")
    return wrong


def references(documents: list[Document], secrets: set[str], accounts: set[str], roles: set[str]) -> list[str]:
    """What pods and bindings refer to is in the release, or is one of the given Secrets, accounts and roles.

    A hook that runs before an install may refer only to hooks of the same event that come before it.
    """
    wrong: list[str] = []
    for pod in pods(documents):
        usable = [one for one in documents if _is_there(one, pod.owner)]
        there = {
            (one["kind"], one["metadata"]["name"]) for one in usable if one["metadata"]["namespace"] == pod.namespace
        }
        there |= {("Secret", name) for name in secrets} | {("ServiceAccount", name) for name in accounts}
        wrong += [f"{pod.where}: {kind}/{name}" for kind, name in _needs(pod) if (kind, name) not in there]
    everything = {(one["kind"], one["metadata"]["name"]) for one in documents}
    for one in documents:
        where = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "RoleBinding":
            if one["roleRef"]["name"] not in roles and ("Role", one["roleRef"]["name"]) not in everything:
                wrong.append(f"{where}: role {one['roleRef']['name']}")
            names = {subject["name"] for subject in one["subjects"]}
            wrong += [
                f"{where}: account {name}" for name in names - accounts if ("ServiceAccount", name) not in everything
            ]
        for tls in one["spec"].get("tls", []) if one["kind"] == "Ingress" else []:
            wrong += [f"{where}: Secret/{tls['secretName']}"] if tls["secretName"] not in secrets else []
    return wrong


def _is_there(one: Document, owner: Document) -> bool:
    early = "pre-install" in hooks(owner)
    if not early:
        return "pre-install" not in hooks(one)
    weights = [int(x["metadata"].get("annotations", {}).get("helm.sh/hook-weight", "0")) for x in (one, owner)]
    return hooks(one) >= hooks(owner) and weights[0] < weights[1]


def _needs(pod: Pod) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod.spec.get("serviceAccountName", "default")
    for secret in pod.spec.get("imagePullSecrets", []):
        yield "Secret", secret["name"]
    claims = {one["metadata"]["name"] for one in pod.owner["spec"].get("volumeClaimTemplates", [])}
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    for volume in volumes.values():
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for _, container in pod.containers():
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in claims | set(volumes):
                yield "Volume", mount["name"]
        for source in container.get("envFrom", []):
            yield from (("Secret", one["name"]) for one in [source.get("secretRef")] if one)
            yield from (("ConfigMap", one["name"]) for one in [source.get("configMapRef")] if one)
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                yield "Secret", source["secretKeyRef"]["name"]
            if "configMapKeyRef" in source:
                yield "ConfigMap", source["configMapKeyRef"]["name"]


def names(documents: list[Document]) -> list[str]:
    """Names and labels fit into Kubernetes' 63 characters, with what StatefulSets and CronJobs append."""
    wrong: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for one in documents:
        kind, name = one["kind"], one["metadata"]["name"]
        longest = 52 if kind in ("StatefulSet", "CronJob") else 63
        if len(name) > longest or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            wrong.append(f"{kind}/{name}: name")
        key = (kind, one["metadata"]["namespace"], name)
        wrong += [f"{kind}/{name}: twice"] if key in seen else []
        seen.add(key)
        labels = dict(one["metadata"].get("labels", {}))
        for pod in pods([one]):
            labels |= pod.labels
        wrong += [f"{kind}/{name}: label {key}" for key, value in labels.items() if len(value) > 63]
    return wrong
