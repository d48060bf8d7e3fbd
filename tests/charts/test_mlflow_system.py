"""The rendered MLflow server, its hooks and helm test, run here against a real PostgreSQL and an S3 service."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from earthenware import storage
from tests.charts.containers import Host, open_folder
from tests.charts.postgresql import Postgresql, free_port, postgresql
from tests.charts.release import VARIANTS, render

pytestmark = pytest.mark.system

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"

CLIENT = """
import os, sys, pathlib
import mlflow
assert not [name for name in os.environ if name.startswith("AWS_")]
mlflow.set_experiment("demo")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.25)
    mlflow.log_text("seven bands", "notes/bands.txt")
    big = pathlib.Path("weights.bin")
    big.write_bytes(bytes(range(256)) * 40_000)
    mlflow.log_artifact(str(big))
folder = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id))
assert (folder / "notes/bands.txt").read_text() == "seven bands"
assert (folder / "weights.bin").read_bytes() == big.read_bytes()
assert mlflow.get_run(run.info.run_id).data.metrics == {"loss": 0.25}
pathlib.Path("artifact_uri").write_text(run.info.artifact_uri)
"""


@dataclass(frozen=True)
class Server:
    """A running server, started from the rendered Deployment."""

    process: subprocess.Popen[str]
    host: Host
    database: Postgresql
    port: int
    bucket: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def login(self) -> tuple[str, str]:
        keys = self.host.secrets["earthenware-mlflow-server"]
        return keys["MLFLOW_AUTH_ADMIN_USERNAME"], keys["MLFLOW_AUTH_ADMIN_PASSWORD"]

    def ask(self, path: str, login: tuple[str, str] | None, host: str = "", body: Any = None) -> tuple[int, str]:
        """Return the status and the text of an answer."""
        headers = {"Host": host} if host else {}
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        if data:
            headers["Content-Type"] = "application/json"
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def database() -> Iterator[Postgresql]:
    with postgresql(password=f"p@ss:w/rd%{secrets.token_urlsafe(8)}") as server:
        server.sql("CREATE DATABASE mlflow")
        # The second database, as the trial's own script makes it.
        server.sql(render(VARIANTS["trial"]).one("ConfigMap", "earthenware-postgresql")["data"]["auth-database.sql"])
        yield server


@pytest.fixture(scope="module")
def host(database: Postgresql, s3: str) -> Iterator[Host]:
    port = free_port()
    values = {
        "database": {"host": "127.0.0.1", "port": database.port, "sslMode": "disable"},
        "store": {"endpoint": s3, "bucket": f"chart-{uuid.uuid4().hex[:8]}"},
        "mlflow": {"port": port},
    }
    keys = {
        "earthenware-database": {"username": "mlflow", "password": database.password},
        "earthenware-store": {
            "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        },
        "earthenware-mlflow-server": {
            "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
            "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_urlsafe(24),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
        },
    }
    service = f"http://earthenware-mlflow.kubeflow.svc.cluster.local:{port}"
    with open_folder() as folder:
        yield Host(render(values), keys, folder, {service: f"http://127.0.0.1:{port}"})


@pytest.fixture(scope="module")
def server(host: Host, database: Postgresql) -> Iterator[Server]:
    """The server after its hooks ran; a test may end it, so the last one in this file does."""
    for name in ("tracking", "auth"):
        done = host.run("earthenware-migrate", name)
        assert done.returncode == 0, done.stdout
    made = host.run("earthenware-bucket", "bucket")
    assert made.returncode == 0, made.stdout
    _, container = host.container("earthenware-mlflow", "mlflow")
    port = container["ports"][0]["containerPort"]
    (destination,) = [word for word in container["args"] if word.startswith("--artifacts-destination=")]
    log = host.folder / "server.log"
    with log.open("w") as out:
        process = host.start("earthenware-mlflow", "mlflow", stdout=out, stderr=out)
    running = Server(process, host, database, port, destination.partition("=")[2], log)
    try:
        _wait_until_healthy(running)
        yield running
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + 300  # the startup probe's patience
    while True:
        try:
            if server.ask("/health", None)[0] == 200:
                return
        except OSError:
            pass
        given_up = server.process.poll() is not None or time.monotonic() > deadline
        assert not given_up, server.log.read_text()
        time.sleep(0.2)


def test_the_hooks_did_their_work_and_may_run_again(server: Server) -> None:
    assert server.database.sql("SELECT count(*) FROM alembic_version", "mlflow").strip() == "1"
    assert server.database.sql("SELECT count(*) FROM alembic_version_auth", "mlflow_auth").strip() == "1"
    for name in ("tracking", "auth"):
        assert server.host.run("earthenware-migrate", name).returncode == 0
    again = server.host.run("earthenware-bucket", "bucket")
    assert (again.returncode, again.stdout.splitlines()[-1].rpartition(" ")[2]) == (0, "there")


def test_a_bucket_job_without_rights_ends_in_one_sentence(host: Host) -> None:
    store = {**host.secrets["earthenware-store"], "AWS_ACCESS_KEY_ID": ""}
    stranger = Host(host.release, {**host.secrets, "earthenware-store": store}, host.folder)
    done = stranger.run("earthenware-bucket", "bucket")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert "credentials" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_helm_test_passes(server: Server) -> None:
    done = server.host.run("earthenware-test", "mlflow")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok: ") == 4


def test_helm_test_fails_with_a_wrong_password(server: Server) -> None:
    keys = {**server.host.secrets["earthenware-mlflow-server"], "MLFLOW_AUTH_ADMIN_PASSWORD": "wrong"}
    secret = {**server.host.secrets, "earthenware-mlflow-server": keys}
    done = Host(server.host.release, secret, server.host.folder, server.host.replaced).run("earthenware-test", "mlflow")
    assert done.returncode == 1
    assert "FAILED: accepts its administrator" in done.stdout


def test_strangers_and_unlisted_hosts_are_refused(server: Server) -> None:
    assert server.ask("/health", None, host="10.0.0.7:5000")[0] == 200  # as the kubelet asks
    assert server.ask(SEARCH, None)[0] == 401
    assert server.ask(SEARCH, ("admin", "wrong"))[0] == 401
    assert server.ask(SEARCH, server.login, host="rebound.example.com")[0] == 403
    for name in ("earthenware-mlflow", "earthenware-mlflow.kubeflow", "earthenware-mlflow.kubeflow.svc.cluster.local"):
        assert server.ask(SEARCH, server.login, host=f"{name}:{server.port}")[0] == 200
        assert server.ask(SEARCH, server.login, host=name)[0] == 200


def test_a_new_user_logs_and_loads_artifacts_through_the_proxy_without_the_stores_keys(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = {"username": "steps", "password": secrets.token_urlsafe(24)}
    status, text = server.ask("/api/2.0/mlflow/users/create", server.login, body=steps)
    assert status == 200, text
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_"))}
    environment |= {
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_USERNAME": steps["username"],
        "MLFLOW_TRACKING_PASSWORD": steps["password"],
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Otherwise MLflow's client asks for presigned URLs and goes to the store itself (docs/helm.md).
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    }
    command = [sys.executable, "-c", CLIENT]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "artifact_uri").read_text().startswith("mlflow-artifacts:/")
    kept = [uri for uri in storage.list_files(server.bucket) if uri.endswith(("bands.txt", "weights.bin"))]
    assert len(kept) == 2
    asked = caplog.text  # what the store was asked, by the server and, with signatures in URLs, by others
    assert "weights.bin" in asked
    assert "X-Amz-Signature" not in asked


def test_few_processes_little_memory_and_no_secret_in_sight(server: Server) -> None:
    root = psutil.Process(server.process.pid)
    tree = [root, *root.children(recursive=True)]
    writable = [file.path for one in tree for file in one.open_files() if file.mode not in ("r", "")]
    assert all(Path(path).is_relative_to(server.host.folder) for path in writable), writable
    assert len(tree) <= 3, [one.cmdline() for one in tree]
    used = sum(one.memory_full_info().pss for one in tree)
    _, container = server.host.container("earthenware-mlflow", "mlflow")
    assert container["resources"]["requests"]["memory"] == "1Gi"
    assert used < 2**30, f"{used / 2**20:.0f} MiB"
    hidden = [
        value for keys in server.host.secrets.values() for key, value in keys.items() if "user" not in key.lower()
    ]
    seen = server.log.read_text() + " ".join(word for one in tree for word in one.cmdline())
    assert not [value for value in hidden if len(value) > 12 and value in seen]


def test_stops_on_sigterm_within_ten_seconds_and_leaves_nothing(server: Server) -> None:
    tree = psutil.Process(server.process.pid).children(recursive=True)
    started = time.monotonic()
    server.process.terminate()
    server.process.wait(timeout=30)
    _, alive = psutil.wait_procs(tree, timeout=max(0.0, 10 - (time.monotonic() - started)))
    assert time.monotonic() - started < 10
    assert not alive
