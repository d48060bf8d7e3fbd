"""A Kubernetes API on this machine: it knows rights, resources and nodes, and refuses what the API would refuse."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware.launch import PERMISSIONS

NAMESPACE = "team"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:earthenware-steps"
USER = "anna"
SECRETS = ("earthenware-mlflow", "earthenware-store")

Right = tuple[str, str, str]


def all_rights() -> set[Right]:
    """Everything that the launcher does: group, resource and verb."""
    return {(group, resource, verb) for group, resource, verbs in PERMISSIONS for verb in verbs}


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


class StandIn:
    """A cluster.

    Attributes:
        rights: Who may do what, by the user's name.
        ray: Names of the resources of ray.io/v1; None where KubeRay is not installed.
        schema: What it tells about the fields of ray.io/v1; None where it refuses to.
        nodes: Labels and allocatable resources of its nodes; None where this user may not list them.
        objects: Kind and name of what is in the namespace.
        forbidden: Paths that are answered with 403.
        asked: The bodies of the reviews.
    """

    def __init__(self, web: HTTPServer, token: str, minor: str = "34") -> None:
        self.url = web.url_for("").rstrip("/")
        self.rights: dict[str, set[Right]] = {ACCOUNT: all_rights(), USER: all_rights()}
        self.ray: list[str] | None = ["rayclusters", "rayjobs", "rayjobs/status"]
        self.schema: dict[str, Any] | None = ray_schema()
        self.nodes: list[tuple[dict[str, str], dict[str, str]]] | None = []
        self.objects = {f"secrets/{name}" for name in SECRETS} | {"serviceaccounts/earthenware-steps"}
        self.forbidden: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self._token, self._minor = token, minor
        web.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def kubeconfig(self, folder: Path, token: str = "", server: str = "") -> str:
        """Write a kubeconfig for this cluster and return its path."""
        path = folder / "kubeconfig"
        cluster = {"name": "c", "cluster": {"server": server or self.url}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}
        user = {"name": "u", "user": {"token": token or self._token}}
        value = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
        path.write_text(yaml.safe_dump({**value, "clusters": [cluster], "contexts": [context], "users": [user]}))
        return str(path)

    def _answer(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return _status(401, "Unauthorized")
        if request.path in self.forbidden:
            return _status(403, "Forbidden")
        if request.method == "POST":
            return self._review(request)
        if request.path == "/version":
            return _json({"major": "1", "minor": self._minor, "gitVersion": f"v1.{self._minor}.1"})
        if request.path == "/apis/ray.io/v1" and self.ray is not None:
            resources = [{"name": name, "kind": "RayJob", "namespaced": True, "verbs": ["get"]} for name in self.ray]
            return _json({"kind": "APIResourceList", "groupVersion": "ray.io/v1", "resources": resources})
        if request.path == "/openapi/v3/apis/ray.io/v1" and self.ray is not None:
            return _json(self.schema) if self.schema is not None else _status(403, "Forbidden")
        kind = request.path.removeprefix(f"/api/v1/namespaces/{NAMESPACE}/")
        if kind in self.objects:
            assert "as=PartialObjectMetadata" in request.headers["Accept"], "nobody asked for what a Secret holds"
            return _json({"kind": "PartialObjectMetadata", "metadata": {"name": kind.partition("/")[2]}})
        if request.path == "/api/v1/nodes":
            return self._list_nodes(request)
        return _status(404, "NotFound")

    def _review(self, request: Request) -> Response:
        body = request.get_json()
        self.asked.append(body)
        if request.path.endswith("/selfsubjectreviews"):
            assert body["kind"] == "SelfSubjectReview"
            return _json({**body, "status": {"userInfo": {"username": USER}}}, 201)
        # The schema does not know that the server fills in the status.
        kubernetes_validate.validate({**body, "status": {"allowed": False}}, "1.34", strict=True)
        asked = body["spec"]["resourceAttributes"]
        local = f"/apis/authorization.k8s.io/v1/namespaces/{asked['namespace']}/localsubjectaccessreviews"
        path = {"SelfSubjectAccessReview": "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}
        assert request.path == path.get(body["kind"], local)
        assert body.get("metadata", {}).get("namespace", asked["namespace"]) == asked["namespace"]
        resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        right = (asked.get("group", ""), resource, asked["verb"])
        return _json({**body, "status": {"allowed": right in self.rights[body["spec"].get("user", USER)]}}, 201)

    def _list_nodes(self, request: Request) -> Response:
        if self.nodes is None:
            return _status(403, "Forbidden")
        wanted = [pair.split("=") for pair in request.args.get("labelSelector", "").split(",") if pair]
        chosen = [node for node in self.nodes if all(node[0].get(key) == value for key, value in wanted)]
        items = [{"metadata": {"labels": labels}, "status": {"allocatable": has}} for labels, has in chosen]
        return _json({"kind": "NodeList", "apiVersion": "v1", "items": items})


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def _status(code: int, reason: str) -> Response:
    secret = base64.b64encode(b"details").decode()
    value = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return _json({**value, "message": secret}, code)
