"""The store: a good one, and ones that lack something; nothing is left behind in any."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware import storage
from tests.doctor.look import SECRET, look
from tests.storage.s3_proxy import S3Proxy

ALL = {"store", "objects", "conditional create", "compare and swap", "multipart upload"}


def test_a_good_store(web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = S3Proxy(web, s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    storage.write_bytes(storage.join(bucket, "runs/mine"), b"1")
    found = look("store", root=storage.join(bucket, "runs"))
    assert set(found) == ALL
    assert {finding.state for finding in found.values()} == {"ok"}
    assert any(method == "POST" and "uploads" in path for method, path in proxy.requests), "no multipart upload"
    assert list(storage.list_files(bucket)) == ["runs/mine"]


def test_a_store_that_ignores_if_none_match(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", S3Proxy(web, s3, drop={"if-none-match"}).url)
    found = look("store", root=bucket)
    assert {name for name, finding in found.items() if finding.state != "ok"} == {"conditional create"}
    assert "lets two create the same object" in found["conditional create"].sentence
    assert "If-None-Match" in found["conditional create"].remedy
    assert storage.is_empty(bucket)


def test_a_store_that_ignores_if_match(web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", S3Proxy(web, s3, drop={"if-match"}).url)
    found = look("store", root=bucket)
    assert {name for name, finding in found.items() if finding.state != "ok"} == {"compare and swap"}
    assert storage.is_empty(bucket)


def test_a_store_without_conditional_writes(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = S3Proxy(web, s3)

    def refuse(request: Request) -> Response | None:
        return (
            Response("<Error><Code>NotImplemented</Code></Error>", 501) if "If-None-Match" in request.headers else None
        )

    proxy.refuse = refuse
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    finding = look("store", root=bucket, seconds=12.0)["conditional create"]
    assert finding.state == "failed"
    assert "refuses conditional writes" in finding.sentence


def test_a_key_that_may_not_write_or_not_delete(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = "<Error><Code>AccessDenied</Code></Error>"
    proxy = S3Proxy(web, s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    proxy.refuse = lambda request: Response(denied, 403) if request.method == "PUT" else None
    found = look("store", root=bucket)
    assert found["store"].state == "ok"
    assert found["objects"].state == "failed"
    assert "write" in found["objects"].sentence
    assert {found[name].state for name in ALL - {"store", "objects"}} == {"skipped"}
    proxy.refuse = lambda request: (
        Response(denied, 403) if request.method == "DELETE" or "delete" in request.args else None
    )
    finding = look("store", root=bucket)["objects"]
    assert finding.state == "failed"
    assert "delete" in finding.sentence
    assert "policy" in finding.remedy


def test_a_multipart_upload_that_fails_leaves_no_parts(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    proxy = S3Proxy(web, s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    denied = "<Error><Code>AccessDenied</Code></Error>"
    proxy.refuse = lambda request: Response(denied, 403) if request.args.get("partNumber") == "2" else None
    assert look("store", root=bucket)["multipart upload"].state == "failed"
    client = boto3.client("s3", endpoint_url=s3)
    assert not client.list_multipart_uploads(Bucket=bucket.removeprefix("s3://")).get("Uploads")
    assert storage.is_empty(bucket)


def test_a_slow_line_is_not_a_broken_store(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = S3Proxy(web, s3)

    def slow(request: Request) -> None:
        if "partNumber" in request.args:
            time.sleep(4.5)  # longer than the 3 s for which a small object is waited for

    proxy.refuse = slow
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    assert look("store", root=bucket, seconds=8.0)["multipart upload"].state == "ok"


def test_wrong_credentials(web: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url_for("").rstrip("/"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    denied = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{SECRET}</Message></Error>"
    web.expect_request(re.compile(".*")).respond_with_data(denied, status=403, content_type="application/xml")
    found = look("store", root="s3://bucket/runs")
    assert found["store"].state == "failed"
    assert "Permission denied" in found["store"].sentence
    assert "AWS_SECRET_ACCESS_KEY" in found["store"].remedy
    assert {found[name].state for name in ALL - {"store"}} == {"skipped"}


def test_a_missing_bucket(s3: str) -> None:
    finding = look("store", root="s3://no-such-bucket/runs")["store"]
    assert finding.sentence == "The bucket 'no-such-bucket' does not exist."
    assert "Create it" in finding.remedy


def test_nobody_there_and_nobody_answering(s3: str, closed: str, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, says in ((closed, "connection refused"), (silent, "in time|within")):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        began = time.monotonic()
        finding = look("store", root="s3://bucket/runs", seconds=1.5)["store"]
        assert finding.state == "failed"
        assert re.search(says, finding.sentence)
        assert time.monotonic() - began < 20


def test_credentials_in_the_root_are_not_shown(s3: str) -> None:
    finding = look("store", root=f"s3://key:{SECRET}@bucket/runs")["store"]
    assert finding.state == "failed"
    assert "AWS_ACCESS_KEY_ID" in finding.remedy


def test_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "not" / "yet"
    assert look("store", root=str(root))["store"].state == "ok"
    assert list(tmp_path.iterdir()) == []
    root.mkdir(parents=True)
    (root / "mine").touch()
    assert look("store", root=str(root))["store"].state == "ok"
    assert [path.name for path in root.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    finding = look("store", root=str(file / "runs"))["store"]
    assert finding.state == "failed"
    assert str(file) in finding.sentence
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        (locked / "x").touch()
    except PermissionError:
        finding = look("store", root=str(locked))["store"]
        assert finding.state == "failed"
        assert "permissions" in finding.remedy


def test_a_cluster_cannot_use_a_folder_and_outside_of_it_its_store_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = look("store", "cluster-cpu", root="/data/runs")["store"]
    assert finding.state == "failed"
    assert "s3://" in finding.remedy
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://seaweedfs.kubeflow.svc:8333")
    finding = look("store", "cluster-cpu", root="s3://bucket/runs")["store"]
    assert finding.state == "skipped"
    assert "inside the cluster" in finding.sentence


def test_no_root_given() -> None:
    assert look("store", "cluster-cpu")["store"].state == "skipped"
