from __future__ import annotations

import pytest

from earthenware import tracking
from earthenware.errors import EarthenwareError


def test_the_default_is_a_database_below_the_root(tmp_path):
    assert tracking.resolve_uri("", str(tmp_path)) == f"sqlite:///{tmp_path}/mlflow.db"


def test_the_environment_comes_before_the_default_and_the_user_before_both(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert tracking.resolve_uri("", str(tmp_path)) == "http://server"
    assert tracking.resolve_uri("http://mine", str(tmp_path)) == "http://mine"
    assert tracking.resolve_uri("off", str(tmp_path)) == tracking.OFF


def test_a_remote_root_needs_a_server():
    with pytest.raises(EarthenwareError, match="s3://bucket/run") as caught:
        tracking.resolve_uri("", "s3://bucket/run")
    assert caught.value.code == "NO_TRACKING_URI"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("https://user:secret@host:5000/mlflow", "https://host:5000/mlflow"),
        ("postgresql://user:secret@host/db", "postgresql://host/db"),
    ],
)
def test_secrets_are_not_shown(uri, shown):
    assert tracking.shown(uri) == shown


def test_a_server_that_is_not_there_is_reported_at_once():
    with pytest.raises(EarthenwareError, match=r"127\.0\.0\.1:9") as caught:
        tracking.open_run("http://me:secret@127.0.0.1:9", experiment="e", name="n")
    assert caught.value.code == "TRACKING_UNREACHABLE"
    assert "secret" not in str(caught.value)


def test_a_server_that_wants_a_password(httpserver):
    httpserver.expect_request("/health").respond_with_data("OK")
    httpserver.expect_request("/api/2.0/mlflow/experiments/search").respond_with_data("no", status=401)
    with pytest.raises(EarthenwareError, match="refuses access") as caught:
        tracking.open_run(httpserver.url_for("/").rstrip("/"), experiment="e", name="n")
    assert caught.value.code == "TRACKING_DENIED"
    assert "MLFLOW_TRACKING_PASSWORD" in caught.value.remedy


def test_a_database_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(EarthenwareError) as caught:
        tracking.open_run(f"sqlite:///{blocked}/mlflow.db", experiment="e", name="n")
    assert caught.value.code == "TRACKING_UNREACHABLE"
