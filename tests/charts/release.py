"""The chart as Helm renders it, offline: values in, Kubernetes objects and notes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "earthenware"
EXAMPLES = sorted(CHART.glob("examples/values-*.yaml"))

Document = dict[str, Any]

_PEER = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}

VARIANTS: dict[str, Document] = {
    **{path.stem.removeprefix("values-"): yaml.safe_load(path.read_text()) for path in EXAMPLES},
    "smallest": {
        "mlflow": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "steps": {"serviceAccount": {"create": False}, "rbac": {"create": False}},
        "store": {"createBucket": {"enabled": False}, "existingSecret": ""},
    },
    "all-options": {
        "commonLabels": {"team": "earth"},
        "commonAnnotations": {"example.org/cost-centre": "42"},
        "image": {"digest": "sha256:" + "0" * 64},
        "imagePullSecrets": ["registry"],
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/mlflow"}},
        "steps": {
            "namespace": "team",
            "kfpLauncher": {"create": True},
            "rbac": {"serviceAccounts": ["default-editor"]},
        },
        "store": {"existingSecret": ""},
        "database": {"host": "db", "port": 6432, "sslMode": "verify-ca", "caSecret": "database-ca"},
        "mlflow": {
            "replicas": 3,
            "port": 8080,
            "allowedHosts": ["mlflow.internal"],
            "extraEnv": [{"name": "MLFLOW_LOGGING_LEVEL", "value": "DEBUG"}],
            "podAnnotations": {"example.org/scrape": "false"},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "pool", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [_PEER]}}
            },
            "priorityClassName": "high",
            "service": {"annotations": {"example.org/internal": "true"}},
            "ingress": {"enabled": True, "host": "mlflow.internal"},
        },
        "networkPolicy": {"dnsCidrs": ["169.254.20.10/32"], "namespaces": ["ingress"]},
    },
}
"""Values that together reach every template and every branch."""

EXISTING_SECRETS = {
    "earthenware-database",
    "earthenware-database-ca",
    "database-ca",
    "earthenware-mlflow-server",
    "earthenware-store",
    "mlflow-example-org",
    "registry",
}
"""The Secrets that the variants' values name; the chart may refer to no other."""


@dataclass(frozen=True)
class Release:
    """One rendered release."""

    documents: list[Document]
    notes: str

    def one(self, kind: str, name: str) -> Document:
        """Return the only object of a kind and name."""
        (found,) = [one for one in self.documents if one["kind"] == kind and one["metadata"]["name"] == name]
        return found


@cache
def chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def render(values: Document, name: str = "earthenware", namespace: str = "kubeflow") -> Release:
    """Render the chart.

    Raises:
        helm_python.HelmError: when the values are refused or a template fails.
    """
    files = chart().render(values, name=name, namespace=namespace)
    (notes,) = [text for path, text in files.items() if path.endswith("NOTES.txt")]
    manifests = [text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt")]
    documents = [one for text in manifests for one in yaml.safe_load_all(text) if one]
    for one in documents:
        one["metadata"].setdefault("namespace", namespace)
    return Release(documents, notes)


def hooks(document: Document) -> set[str]:
    """Return the hook events of an object; empty for one that belongs to the release."""
    text = document["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return {event for event in text.split(",") if event}


@dataclass(frozen=True)
class Pod:
    """A pod, or the template of one, with the object that holds it."""

    owner: Document
    metadata: Document
    spec: Document

    @property
    def where(self) -> str:
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.metadata.get("labels", {}))

    @property
    def namespace(self) -> str:
        return str(self.owner["metadata"]["namespace"])

    def containers(self) -> Iterator[tuple[str, Document]]:
        for group in ("initContainers", "containers", "ephemeralContainers"):
            for container in self.spec.get(group, []):
                yield f"{self.where}/{container['name']}", container

    def ports(self) -> dict[str | int, int]:
        """Return the ports that containers declare, by name and by number."""
        declared = [port for _, one in self.containers() for port in one.get("ports", [])]
        numbers: dict[str | int, int] = {port["containerPort"]: port["containerPort"] for port in declared}
        return numbers | {port["name"]: port["containerPort"] for port in declared if "name" in port}


def pods(documents: list[Document]) -> list[Pod]:
    """Return every pod that the objects make."""
    found = []
    for one in documents:
        if one["kind"] == "Pod":
            found.append(Pod(one, one["metadata"], one["spec"]))
        elif one["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            template = one["spec"]["template"]
            found.append(Pod(one, template["metadata"], template["spec"]))
    return found


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Tell whether a selector by labels matches; an empty one matches everything."""
    assert "matchExpressions" not in selector
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
