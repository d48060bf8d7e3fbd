"""Kubeflow Pipelines, by a stand-in whose answers are those of its API's models."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware.doctor import Finding
from earthenware.kubeflow import Connection
from tests.doctor.look import SECRET, look


class Server:
    """Kubeflow Pipelines with a health page for everybody, and experiments for whom it knows."""

    def __init__(self, web: HTTPServer, root: str = "/pipeline", token: str = "", cookie: str = "") -> None:
        self.url = web.url_for(root).rstrip("/")
        self.health: dict[str, Any] = {
            "commit_sha": "7b70c7b95f",
            "tag_name": "2.17.0",
            "multi_user": False,
            "pipeline_store": "database",
        }
        self.status = 200
        self._token, self._cookie = token, cookie
        web.expect_request(f"{root}/apis/v2beta1/healthz").respond_with_handler(lambda request: _json(self.health))
        web.expect_request(f"{root}/apis/v2beta1/experiments").respond_with_handler(self._experiments)

    def _experiments(self, request: Request) -> Response:
        from kfp_server_api import V2beta1Experiment, V2beta1ListExperimentsResponse

        assert set(request.args) <= {"page_size", "namespace", "page_token", "filter", "sort_by"}
        assert int(request.args["page_size"]) > 0
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return Response("Unauthorized", 401)
        if self._cookie and request.headers.get("Cookie") != self._cookie:
            return Response(status=302, headers={"Location": "/dex/auth"})
        if self.status != 200:
            return _json({"error": f"says {SECRET}", "code": 7, "message": "x", "details": []}, self.status)
        if self.health["multi_user"] and not request.args.get("namespace"):
            return _json({"error": "namespace is required", "code": 3, "message": "x", "details": []}, 400)
        experiment = V2beta1Experiment(experiment_id="1", display_name="Default", storage_state="AVAILABLE")
        answer = V2beta1ListExperimentsResponse(experiments=[experiment], total_size=1)
        return _json({key: value for key, value in answer.to_dict().items() if value and key != "experiments"})


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def kubeflow(host: str, seconds: float = 20.0, **values: Any) -> dict[str, Finding]:
    return look("kubeflow pipelines", "cluster-cpu", seconds=seconds, connection=Connection(host, **values))


def test_a_good_server(web: HTTPServer, tmp_path: Path) -> None:
    server = Server(web, token=SECRET)
    (tmp_path / "token").write_text(f"{SECRET}\n")
    for values in ({"token": SECRET}, {"token_file": tmp_path / "token"}):
        found = kubeflow(f"{server.url}/", **values)
        assert {finding.state for finding in found.values()} == {"ok"}
        assert "Kubeflow Pipelines 2.17.0 for one user" in found["kubeflow pipelines"].sentence
    web.check_assertions()


def test_the_user_interface_in_between_tells_the_version_in_its_own_words(web: HTTPServer) -> None:
    server = Server(web)
    server.health = {"apiServerTagName": "2.17.3", "multi_user": False, "apiServerReady": True, "frontendTagName": "x"}
    assert "Kubeflow Pipelines 2.17.3" in kubeflow(server.url)["kubeflow pipelines"].sentence
    server.health = {"frontendTagName": "2.17.3", "apiServerReady": False}
    found = kubeflow(server.url)
    assert found["kubeflow pipelines"].state == "failed"
    assert "its API server does not" in found["kubeflow pipelines"].sentence
    assert found["login"].state == "skipped"


@pytest.mark.parametrize(
    ("tag", "state"), [("2.16.1", "failed"), ("v2.17.1", "ok"), ("3.0.0-rc.1", "ok"), ("unknown", "warning")]
)
def test_versions(web: HTTPServer, tag: str, state: str) -> None:
    server = Server(web)
    server.health["tag_name"] = tag
    finding = kubeflow(server.url)["kubeflow pipelines"]
    assert finding.state == state
    assert tag in finding.sentence


def test_no_login_and_a_wrong_one(web: HTTPServer) -> None:
    server = Server(web, token=SECRET)
    finding = kubeflow(server.url)["login"]
    assert finding.state == "failed"
    assert "wants a token or a cookie, and none was given" in finding.sentence
    finding = kubeflow(server.url, token="another-one")["login"]
    assert "does not accept the token" in finding.sentence
    assert "another-one" not in repr(finding)
    assert "KFP_TOKEN" in finding.remedy


def test_a_login_page_in_the_way(web: HTTPServer) -> None:
    server = Server(web, cookie=f"authservice_session={SECRET}")
    assert kubeflow(server.url, cookie=f"authservice_session={SECRET}")["login"].state == "ok"
    assert "a log-in page" in kubeflow(server.url)["login"].sentence
    web.clear()
    web.expect_request("/apis/v2beta1/healthz").respond_with_data("<html>Log in", content_type="text/html")
    finding = kubeflow(web.url_for("/"))["kubeflow pipelines"]
    assert finding.state == "failed"
    assert "a web page where JSON is due" in finding.sentence


def test_several_users(web: HTTPServer) -> None:
    server = Server(web)
    server.health["multi_user"] = True
    finding = kubeflow(server.url)["login"]
    assert finding.state == "failed"
    assert "--namespace" in finding.remedy
    found = kubeflow(server.url, namespace="anna")
    assert {finding.state for finding in found.values()} == {"ok"}
    server.status = 403
    assert "in the namespace 'anna'" in kubeflow(server.url, namespace="anna")["login"].sentence


def test_no_api_there(web: HTTPServer) -> None:
    web.expect_request("/apis/v2beta1/healthz").respond_with_data("not found", status=404)
    finding = kubeflow(web.url_for("/"))["kubeflow pipelines"]
    assert "HTTP 404" in finding.sentence
    assert "/pipeline" in finding.remedy
    web.clear()
    web.expect_request("/apis/v2beta1/healthz").respond_with_json({"status": "fine"})
    assert "does not answer as Kubeflow" in kubeflow(web.url_for("/"))["kubeflow pipelines"].sentence
    web.clear()
    web.expect_request("/apis/v2beta1/healthz").respond_with_data("upstream", status=503)
    assert "HTTP 503" in kubeflow(web.url_for("/"))["kubeflow pipelines"].sentence


def test_nobody_there_and_nobody_answering(closed: str, silent: str) -> None:
    assert "connection refused" in kubeflow(closed)["kubeflow pipelines"].sentence
    began = time.monotonic()
    assert kubeflow(silent, seconds=1.0)["kubeflow pipelines"].state == "failed"
    assert time.monotonic() - began < 20
    assert "name of the host is not known" in kubeflow("http://kubeflow.invalid")["kubeflow pipelines"].sentence


def test_what_is_not_looked_at() -> None:
    finding = kubeflow("http://ml-pipeline.kubeflow.svc:8888")["kubeflow pipelines"]
    assert finding.state == "skipped"
    assert "inside the cluster" in finding.sentence
    assert look("kubeflow pipelines", "cluster-cpu")["kubeflow pipelines"].state == "skipped"
    assert look("kubeflow pipelines", "laptop") == {}
