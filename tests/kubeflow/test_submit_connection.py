"""Where to connect, and what opens it."""

from __future__ import annotations

import pytest

from earthenware.errors import EarthenwareError
from earthenware.kubeflow import Connection, mounted_token


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("https://kf.example.com/pipeline/#/runs/details/1", "https://kf.example.com/pipeline"),
        ("https://kf.example.com/pipeline/?ns=team-a", "https://kf.example.com/pipeline"),
        ("http://ml-pipeline.kubeflow:8888/apis/v2beta1", "http://ml-pipeline.kubeflow:8888"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_page_of_the_ui_is_a_host_too(host, base):
    assert Connection(host).host == base


@pytest.mark.parametrize(
    "host", ["", " ", "localhost:8080", "kf.example.com", "ftp://x", "http://", "http://x:port", "http://[::1"]
)
def test_what_is_no_url_is_refused(host):
    with pytest.raises(EarthenwareError) as error:
        Connection(host)
    assert error.value.code == "BAD_OPTION"
    assert "/apis" in error.value.remedy


def test_a_password_in_the_url_is_refused_and_not_shown():
    for host in ("https://me:hunter2@kf.example.com", "me:hunter2@kf.example.com"):
        with pytest.raises(EarthenwareError) as error:
            Connection(host)
        assert "hunter2" not in str(error.value)


def test_a_token_is_one_word_and_its_file_is_read_anew(tmp_path):
    file = tmp_path / "token"
    file.write_text("Bearer first-token\n")
    connection = Connection("http://x", token_file=file)
    assert connection.current_token() == "first-token"
    file.write_text("second-token")
    assert connection.current_token() == "second-token"


@pytest.mark.parametrize("text", ["", "two words", "a\nb", "caf\xe9"])
def test_a_file_without_a_token_is_refused(tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EarthenwareError) as error:
        Connection("http://x", token_file=file)
    assert error.value.code == "BAD_OPTION"
    assert not text.strip() or text not in str(error.value)


def test_missing_files_are_named(tmp_path):
    for arguments in ({"token_file": tmp_path / "none"}, {"ca_cert": tmp_path / "none"}):
        with pytest.raises(EarthenwareError, match="none"):
            Connection("http://x", **arguments)


@pytest.mark.parametrize("cookie", ["justavalue", "a=b\nc=d", "=x"])
def test_a_cookie_has_a_name_and_a_value(cookie):
    with pytest.raises(EarthenwareError, match="NAME=VALUE"):
        Connection("http://x", cookie=cookie)


def test_secrets_are_not_in_the_representation_and_are_masked():
    connection = Connection("http://x", token="tok-123456789", cookie="authservice_session=abc-987654")
    assert "123456789" not in repr(connection)
    assert "987654" not in repr(connection)
    said = connection.mask("seen: Bearer tok-123456789, cookie abc-987654, other: bearer eyJhbGciOi.x.y")
    assert "123456789" not in said
    assert "987654" not in said
    assert "eyJhbGciOi" not in said


def test_the_token_that_kubeflow_mounts_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    assert mounted_token() is None
    (tmp_path / "token").write_text("t")
    assert mounted_token() == tmp_path / "token"
