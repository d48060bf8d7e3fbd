"""``earthenware doctor`` as a person, a script and an impatient operator meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request

from earthenware import storage
from earthenware.cli._main import _call
from tests.storage.s3_proxy import S3Proxy

ITEMS = '{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "one"}]}'


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MLFLOW_TRACKING", "KFP_", "KUBE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KUBECONFIG", os.devnull)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = _call(["doctor", "--timeout", "30", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_laptop_in_good_health(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "items.json").write_text(ITEMS)
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"root: {tmp_path}/run\nquery: {{catalog: {tmp_path}/items.json}}\n")
    code, out, err = run(capsys, "--spec", str(spec))
    assert (code, err) == (0, ""), out
    lines = out.splitlines()
    for check in ("python", "packages", "torch", "pipeline", "memory", "disk", "catalog", "store", "mlflow"):
        assert any(line[2:].startswith(f"{check} ") for line in lines), check
    assert not any("kube" in line for line in lines)
    assert any(line.startswith("✓ store") for line in lines)
    assert "holds 1 item." in out
    assert lines[-1].endswith(".")
    assert not (tmp_path / "run").exists()


def test_a_failure_has_its_remedy_below_it_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "--root", str(tmp_path), "--catalog", str(tmp_path / "absent.json"))
    assert code == 3
    lines = out.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("✗"))
    assert "catalog" in lines[at]
    assert "absent.json" in lines[at]
    assert lines[at + 1].startswith("     ")
    assert "earthenware sandbox" in lines[at + 1]
    assert "1 failed" in lines[-1]


def test_json_is_all_that_a_script_gets(s3: str, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--root", storage.join(bucket, "runs"), "--json")
    findings = json.loads(out)
    assert code == 3  # a root in a store has no MLflow database of its own
    assert {tuple(finding) for finding in findings} == {("check", "state", "sentence", "remedy", "seconds")}
    states = {finding["check"]: finding["state"] for finding in findings}
    assert states["mlflow"] == "failed"
    assert states["store: conditional create"] == states["store: multipart upload"] == "ok"
    assert all(finding["remedy"] for finding in findings if finding["state"] == "failed")
    assert storage.is_empty(bucket)


def test_the_profile_decides_what_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    checks: dict[str, set[str]] = {}
    for profile in ("laptop", "cluster-cpu", "cluster-gpu"):
        _, out, _ = run(capsys, "--profile", profile, "--json", "--catalog", "http://127.0.0.1:1/stac")
        checks[profile] = {finding["check"] for finding in json.loads(out)}
    assert checks["cluster-cpu"] - checks["laptop"] == {
        "kubeflow pipelines",
        "kubernetes",
        "kubernetes: secrets",
        "kubernetes: rights",
        "kuberay",
    }
    assert checks["laptop"] - checks["cluster-cpu"] == {"accelerator", "disk"}
    assert checks["cluster-gpu"] - checks["cluster-cpu"] == {"kubernetes: nvidia.com/gpu"}


def test_a_host_in_the_environment_does_not_make_a_laptop_a_cluster(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KFP_HOST", "http://127.0.0.1:1")
    code, out, _ = run(capsys, "--root", str(tmp_path))
    assert (code, "kubeflow" in out) == (0, False)
    code, out, _ = run(capsys, "--root", "s3://bucket/x", "--host", "http://127.0.0.1:1", "--timeout", "2")
    assert (code, "kubeflow pipelines" in out) == (3, True)


def test_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "UNKNOWN_PROFILE" in run(capsys, "--profile", "cluster-tpu")[2]
    assert run(capsys, "--host", "https://host", "--token-file", str(tmp_path / "absent"))[0] != 0
    assert run(capsys, "--spec", str(tmp_path / "absent.yaml"))[0] == 2


def test_no_secret_is_shown(
    web: HTTPServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hunter2-secret"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", web.url_for("/mlflow"))
    monkeypatch.setenv("KFP_TOKEN", secret)
    web.expect_request("/mlflow/version").respond_with_data(f"you sent {secret}", status=401)
    web.expect_request("/apis/v2beta1/healthz").respond_with_json({"multi_user": False, "tag_name": secret})
    for extra in ((), ("--json",)):
        code, out, err = run(
            capsys, "--host", web.url_for("/"), "--catalog", f"{web.url_for('/stac')}?t={secret}", *extra
        )
        assert code == 3
        assert secret not in out + err


def test_a_terminated_doctor_leaves_nothing_behind(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    proxy = S3Proxy(web, s3)
    uploading, go_on = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if "partNumber" in request.args:
            uploading.set()
            go_on.wait(60)

    proxy.refuse = hold
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    command = [sys.executable, "-m", "earthenware", "doctor", "--root", bucket, "--timeout", "30"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while not (reached := uploading.wait(0.2)) and process.poll() is None:
            pass
        process.send_signal(signal.SIGTERM)
        go_on.set()
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert reached, out
    assert process.returncode == 143, out
    assert storage.is_empty(bucket)
    client = boto3.client("s3", endpoint_url=s3)
    assert not client.list_multipart_uploads(Bucket=bucket.removeprefix("s3://")).get("Uploads")


def test_in_a_terminal_the_lines_stand_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = run(capsys, "--root", str(tmp_path))
    assert code == 0
    last = out.rpartition("\x1b[2K")[2]  # what the live table leaves when it has erased itself
    assert "can be written, with conditional writes." in last
    assert last.count("\n") >= 12
