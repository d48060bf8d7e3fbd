"""KubeRay: whether its RayJob is there, with the fields that the launcher fills in."""

from __future__ import annotations

from typing import Any, Final

from earthenware.doctor._finding import Verdict, failed, ok, warning
from earthenware.doctor._kubernetes import Cluster
from earthenware.errors import EarthenwareError

_INSTALL: Final = "Let the cluster's administrator install the KubeRay operator, version 1.6 or later, with its CRDs."
_SCHEMA: Final = "io.ray.v1.RayJob"
_FIELDS: Final = ("preRunningDeadlineSeconds", "deletionStrategy.deletionRules", "rayClusterSpec.authOptions")
"""Fields of a RayJob's spec that the launcher needs; the first came with KubeRay 1.6, the others before."""


def check_kuberay(cluster: Cluster) -> Verdict:
    """Look for RayJob version v1 and its fields in what the API server tells everybody about its resources.

    The version of the operator stands on objects that few may read; the fields tell whether the CRDs are recent enough.
    """
    status, group = cluster.call("GET", "/apis/ray.io/v1")
    if status == 404:
        return failed("KubeRay is not installed: the cluster has no ray.io/v1.", _INSTALL)
    if status != 200:
        message = f"The cluster answered HTTP {status} when asked for ray.io/v1."
        raise EarthenwareError("UNANSWERED", message, "Let every user look: ClusterRole system:discovery.")
    resources = group.get("resources") or []
    if not any(one.get("name") == "rayjobs" for one in resources):
        return failed("The cluster has ray.io/v1, but no RayJob in it.", _INSTALL)
    status, document = cluster.call("GET", "/openapi/v3/apis/ray.io/v1")
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
