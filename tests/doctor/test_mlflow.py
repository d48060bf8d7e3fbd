"""MLflow: stand-ins for what servers answer, and a real one."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.doctor.look import SECRET, look

OURS = importlib.metadata.version("mlflow")
INVALID_HOST = "Invalid Host header - possible DNS rebinding attack detected"


class Server:
    """An MLflow server with one experiment, whose artifacts pass through it."""

    def __init__(self, web: HTTPServer, version: str = OURS, login: str = "") -> None:
        self.url = web.url_for("").rstrip("/")
        self.artifacts: dict[str, bytes] = {}
        self.refuse: dict[str, int] = {}
        self.location = "mlflow-artifacts:/0"
        self._version = version
        self._login = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        web.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        path = request.path
        if self._login and request.headers.get("Authorization") != self._login:
            return Response("You are not authenticated.", 401)
        if path == "/version":
            return Response(self._version, content_type="text/html; charset=utf-8")  # as the real one
        for part, status in self.refuse.items():
            if part in f"{request.method} {path}":
                return Response(f"no {SECRET}", status)
        if path == "/api/2.0/mlflow/experiments/search":
            assert request.args["max_results"] == "1"
            return self._json(experiments=[{"experiment_id": "0", "artifact_location": self.location}])
        if path == "/api/2.0/mlflow/registered-models/search":
            return self._json()
        assert path.startswith("/api/2.0/mlflow-artifacts/artifacts/0/")
        name = path.removeprefix("/api/2.0/mlflow-artifacts/artifacts/")
        if request.method == "PUT":
            self.artifacts[name] = request.get_data()
        elif request.method == "GET":
            return Response(self.artifacts[name]) if name in self.artifacts else Response("", 404)
        else:
            assert request.method == "DELETE"
            self.artifacts = {key: value for key, value in self.artifacts.items() if not key.startswith(f"{name}/")}
        return self._json()

    @staticmethod
    def _json(**values: Any) -> Response:
        return Response(json.dumps(values), content_type="application/json")


def states(found: dict[str, Any]) -> dict[str, str]:
    return {name: finding.state for name, finding in found.items()}


def test_a_good_server(web: HTTPServer) -> None:
    server = Server(web)
    found = look("mlflow", tracking_uri=server.url)
    assert states(found) == {"mlflow": "ok", "login": "ok", "registry": "ok", "artifacts": "ok"}
    assert server.artifacts == {}
    assert "without a login" in found["login"].sentence


def test_a_login(web: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(web, login=f"anna:{SECRET}")
    found = look("mlflow", tracking_uri=server.url)
    assert states(found) == {"mlflow": "failed", "login": "skipped", "registry": "skipped", "artifacts": "skipped"}
    assert "no user is set" in found["mlflow"].sentence
    assert "MLFLOW_TRACKING_USERNAME" in found["mlflow"].remedy
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    assert "not accepted" in look("mlflow", tracking_uri=server.url)["mlflow"].sentence
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    assert set(states(look("mlflow", tracking_uri=server.url)).values()) == {"ok"}
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    inside = server.url.replace("http://", f"http://anna:{SECRET}@")
    assert set(states(look("mlflow", tracking_uri=inside)).values()) == {"ok"}


def test_a_host_that_the_server_does_not_allow(web: HTTPServer) -> None:
    web.expect_request("/version").respond_with_data(OURS)
    web.expect_request(re.compile("/api/.*")).respond_with_data(INVALID_HOST, status=403)
    finding = look("mlflow", tracking_uri=web.url_for("").rstrip("/"))["login"]
    assert finding.state == "failed"
    assert "Invalid Host header" in finding.sentence
    assert "--allowed-hosts" in finding.remedy
    assert f"127.0.0.1:{web.port}" in finding.remedy


@pytest.mark.parametrize(
    ("version", "state", "says"),
    [("2.22.0", "failed", "Upgrade"), ("3.1.4", "warning", "3.1.4"), (OURS, "ok", OURS), ("<html>", "failed", "root")],
)
def test_versions(web: HTTPServer, version: str, state: str, says: str) -> None:
    finding = look("mlflow", tracking_uri=Server(web, version).url)["mlflow"]
    assert finding.state == state
    assert says in finding.sentence + finding.remedy


def test_what_the_server_does_not_permit_or_cannot_do(web: HTTPServer) -> None:
    server = Server(web)
    server.refuse = {"registered-models": 403}
    found = look("mlflow", tracking_uri=server.url)
    assert states(found) == {"mlflow": "ok", "login": "ok", "registry": "failed", "artifacts": "ok"}
    server.refuse = {"PUT": 403}
    assert look("mlflow", tracking_uri=server.url)["artifacts"].state == "skipped"
    server.refuse = {"PUT": 500}
    finding = look("mlflow", tracking_uri=server.url)["artifacts"]
    assert finding.state == "failed"
    assert "HTTP 500" in finding.sentence
    server.refuse = {"DELETE": 403}
    finding = look("mlflow", tracking_uri=server.url)["artifacts"]
    assert finding.state == "warning"
    assert next(iter(server.artifacts)).rpartition("/")[0] in finding.sentence
    server.refuse, server.location = {}, "s3://bucket/0"
    finding = look("mlflow", tracking_uri=server.url)["artifacts"]
    assert finding.state == "warning"
    assert "s3://bucket/0" in finding.sentence


def test_something_else_at_that_address(web: HTTPServer) -> None:
    web.expect_request(re.compile(".*")).respond_with_data("<html>hello", content_type="text/html")
    assert look("mlflow", tracking_uri=web.url_for("/x"))["mlflow"].state == "failed"
    web.clear()
    web.expect_request("/version").respond_with_response(Response(status=302, headers={"Location": "/login"}))
    assert "login" in look("mlflow", tracking_uri=web.url_for("").rstrip("/"))["mlflow"].sentence


def test_nobody_there_and_nobody_answering(closed: str, silent: str) -> None:
    finding = look("mlflow", tracking_uri=closed)["mlflow"]
    assert "connection refused" in finding.sentence
    assert "MLFLOW_TRACKING_URI" in finding.remedy
    began = time.monotonic()
    finding = look("mlflow", tracking_uri=silent, seconds=1.0)["mlflow"]
    assert finding.state == "failed"
    assert time.monotonic() - began < 20


def test_databases_on_this_machine(tmp_path: Path) -> None:
    assert "will be made" in look("mlflow", root=str(tmp_path))["mlflow"].sentence
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "mlflow.db"
    path.write_text("no database, surely not")
    assert look("mlflow", root=str(tmp_path))["mlflow"].state == "failed"
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (text TEXT)")
    assert "not one of MLflow's" in look("mlflow", root=str(tmp_path))["mlflow"].sentence
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT)")
        database.execute("INSERT INTO runs VALUES ('a')")
    assert "holds 1 runs" in look("mlflow", root=str(tmp_path))["mlflow"].sentence


def test_what_is_not_looked_at(tmp_path: Path) -> None:
    assert look("mlflow", tracking_uri="off")["mlflow"].state == "skipped"
    assert look("mlflow", tracking_uri="databricks")["mlflow"].state == "skipped"
    found = look("mlflow", "cluster-cpu", root="s3://bucket/x")  # the profile names the chart's service
    assert states(found) == {"mlflow": "skipped"}
    assert "inside the cluster" in found["mlflow"].sentence
    finding = look("mlflow", "cluster-cpu", tracking_uri=f"sqlite:///{tmp_path}/x.db")["mlflow"]
    assert finding.state == "failed"
    assert look("mlflow", root="s3://bucket/x")["mlflow"].state == "failed"


@pytest.fixture
def real_server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server with basic authentication, its artifacts in a folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{tmp_path}/auth.db\nadmin_username = admin\n"
        "admin_password = placeholder-1\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {
        **os.environ,
        "MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": SECRET,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-this-test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts"), "--allowed-hosts", "127.0.0.1:*"]
    log = tmp_path / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=file, cwd=tmp_path)
    try:
        until = time.monotonic() + 240
        while True:
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.system
def test_a_real_server(real_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = look("mlflow", tracking_uri=real_server)["mlflow"]
    assert finding.state == "failed"
    assert "no user is set" in finding.sentence
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    found = look("mlflow", tracking_uri=real_server)
    assert set(states(found).values()) == {"ok"}, found
    assert (tmp_path / "artifacts").is_dir()
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []
    assert not list((tmp_path / "artifacts").rglob("earthenware-doctor*"))
    other = real_server.replace("127.0.0.1", "localhost")
    assert "--allowed-hosts" in look("mlflow", tracking_uri=other)["login"].remedy
