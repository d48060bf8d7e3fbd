"""A Kubernetes API that knows rights, resources and nodes, and refuses what the real one would refuse."""

from __future__ import annotations

import base64
from typing import Any

import kubernetes_validate

from earthenware.launch import PERMISSIONS
from earthenware.testing import KubernetesRequest, KubernetesServer

NAMESPACE = "team"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:earthenware-steps"
USER = "anna"
SECRETS = ("earthenware-mlflow", "earthenware-store")
RAY, RAY_FIELDS = "/apis/ray.io/v1", "/openapi/v3/apis/ray.io/v1"

Right = tuple[str, str, str]


def all_rights() -> set[Right]:
    """Everything that the launcher does: group, resource and verb."""
    return {(group, resource, verb) for group, resource, verbs in PERMISSIONS for verb in verbs}


def ray_resources(*names: str) -> dict[str, Any]:
    """The resources of ray.io/v1."""
    resources = [{"name": name, "kind": "RayJob", "namespaced": True, "verbs": ["get"]} for name in names]
    return {"kind": "APIResourceList", "groupVersion": "ray.io/v1", "resources": resources}


def ray_schema(*missing: str) -> dict[str, Any]:
    """The OpenAPI document of ray.io/v1 with the fields that matter, but for some."""

    def fields(**properties: Any) -> dict[str, Any]:
        kept = {name: value for name, value in properties.items() if name not in missing}
        return {"type": "object", "properties": kept}

    spec = fields(
        entrypoint={"type": "string"},
        preRunningDeadlineSeconds={"type": "integer"},
        deletionStrategy=fields(deletionRules={"type": "array"}),
        rayClusterSpec=fields(authOptions=fields(mode={"type": "string"})),
    )
    return {"openapi": "3.0.0", "components": {"schemas": {"io.ray.v1.RayJob": fields(spec=spec)}}}


class StandIn(KubernetesServer):
    """A cluster with KubeRay, the Secrets and the service account that the profiles name, and no nodes.

    Attributes:
        rights: Who may do what, by the user's name.
        forbidden: Paths that are answered with 403.
        asked: The bodies of the reviews.
        wrong: What was asked as no client may ask.
    """

    def __init__(self, token: str, minor: str = "34") -> None:
        super().__init__(NAMESPACE, token)
        self.rights: dict[str, set[Right]] = {ACCOUNT: all_rights(), USER: all_rights()}
        self.forbidden: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self.wrong: list[BaseException] = []
        self.objects |= {self.secret(name): {"metadata": {"name": name}} for name in SECRETS}
        self.objects |= {
            self.account("earthenware-steps"): {"metadata": {"name": "earthenware-steps"}},
            "/version": {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.1"},
            RAY: ray_resources("rayclusters", "rayjobs", "rayjobs/status"),
            RAY_FIELDS: ray_schema(),
        }

    def secret(self, name: str) -> str:
        return f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}"

    def account(self, name: str) -> str:
        return f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}"

    def set_nodes(self, *nodes: tuple[dict[str, str], dict[str, str]]) -> None:
        """Have these nodes and no others, each with labels and allocatable resources."""
        self.objects = {path: one for path, one in self.objects.items() if "/nodes/" not in path}
        for number, (labels, has) in enumerate(nodes):
            node = {"metadata": {"name": f"n{number}", "labels": labels}, "status": {"allocatable": has}}
            self.objects[f"/api/v1/nodes/n{number}"] = node

    def answer(self, request: KubernetesRequest) -> tuple[int, Any]:
        if request.path in self.forbidden:
            return self.status(403, base64.b64encode(b"details").decode())
        try:
            if request.verb == "create":
                return self._review(request)
            if request.resource in ("secrets", "serviceaccounts"):
                assert "as=PartialObjectMetadata" in request.accept, "nobody asked for what a Secret holds"
        except Exception as error:
            self.wrong.append(error)
            raise
        return super().answer(request)

    def _review(self, request: KubernetesRequest) -> tuple[int, Any]:
        body = request.body
        self.asked.append(body)
        if request.path.endswith("/selfsubjectreviews"):
            assert body["kind"] == "SelfSubjectReview"
            return 201, {**body, "status": {"userInfo": {"username": USER}}}
        # The schema does not know that the server fills in the status.
        kubernetes_validate.validate({**body, "status": {"allowed": False}}, "1.34", strict=True)
        asked = body["spec"]["resourceAttributes"]
        local = f"/apis/authorization.k8s.io/v1/namespaces/{asked['namespace']}/localsubjectaccessreviews"
        path = {"SelfSubjectAccessReview": "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}
        assert request.path == path.get(body["kind"], local)
        assert body.get("metadata", {}).get("namespace", asked["namespace"]) == asked["namespace"]
        resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        right = (asked.get("group", ""), resource, asked["verb"])
        return 201, {**body, "status": {"allowed": right in self.rights[body["spec"].get("user", USER)]}}
