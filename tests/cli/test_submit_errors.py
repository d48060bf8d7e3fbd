"""``earthenware submit`` over HTTP: each failure ends in one sentence, and none shows a secret."""

from __future__ import annotations

import json

import pytest

from tests.kubeflow.stand_in_kfp import StandIn
from tests.kubeflow.submitting import BAD, COOKIE, TOKEN, TRAIN_POD, Command


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in
    assert stand_in.broken == []


@pytest.fixture
def call(server, tmp_path, capsys, monkeypatch):
    return Command(server, tmp_path, capsys, monkeypatch)


HTML = "<!DOCTYPE html><html><title>Sign in</title></html>"


@pytest.mark.parametrize(
    ("pattern", "status", "body", "code", "said"),
    [
        ("POST .*/runs$", 400, {"message": "Invalid input error: bad run"}, "KFP_REFUSED", "refused to start the run"),
        ("healthz", 401, {"message": "who are you"}, "KFP_UNAUTHENTICATED", "wants a token or a cookie"),
        ("healthz", 302, "", "KFP_UNAUTHENTICATED", "log-in page"),
        ("healthz", 403, HTML, "KFP_UNAUTHENTICATED", "log-in page"),
        ("experiments", 403, "RBAC: access denied", "KFP_FORBIDDEN", "RBAC: access denied"),
        ("healthz", 404, "404 page not found\n", "NOT_KUBEFLOW", "knows no such path"),
        ("POST .*/runs$", 404, {"message": "PipelineVersion not found"}, "KFP_NOT_FOUND", "PipelineVersion not found"),
        ("POST .*/runs$", 409, {"message": "exists"}, "KFP_CONFLICT", "exists already"),
        (
            "upload_version",
            400,
            {"error_message": "Failed to create a pipeline version"},
            "KFP_REFUSED",
            "lack the right",
        ),
        ("upload_version", 500, {"error_message": "Failed"}, "KFP_UNAVAILABLE", "HTTP 500"),
        ("healthz", 503, "upstream connect error", "KFP_UNAVAILABLE", "upstream connect error"),
        ("healthz", 429, "", "KFP_UNAVAILABLE", "HTTP 429"),
        ("healthz", 200, HTML, "NOT_KUBEFLOW", "a web page where JSON is due"),
        ("experiments", 200, "[]", "NOT_KUBEFLOW", "where JSON is due"),
    ],
)
def test_each_failure_is_one_sentence_with_a_remedy(server, call, pattern, status, body, code, said):
    kind = "text/html" if body == HTML else "application/json"
    text = body if isinstance(body, str) else json.dumps(body)
    server.fail(pattern, status, text, content_type=kind, headers=(("Location", "/dex/auth"),))
    exit_code, out, err = call()
    first, second = err.strip().split("\n")
    assert exit_code == 3
    assert first.startswith(f"Error [{code}] ")
    assert first.endswith(".")
    assert said in err
    assert len(second) > 20
    assert "Traceback" not in out + err


def test_a_connection_that_breaks_while_the_run_is_started_tells_to_look_first(server, call):
    server.fail("POST .*/runs$", drop=True)
    code, _, err = call()
    assert code == 3
    assert "[KFP_UNREACHABLE]" in err
    assert "whether the run has begun" in err
    assert server.count("POST .*/runs$") == 1  # never sent twice


@pytest.mark.parametrize(
    ("host", "code", "said"),
    [
        ("http://127.0.0.1:9", "KFP_UNREACHABLE", "refused"),
        ("http://no-such-host.invalid", "KFP_UNREACHABLE", "name of the host is not known"),
        ("localhost:8080", "BAD_OPTION", "not an http:// or https:// URL"),
    ],
)
def test_a_host_that_is_not_there(call, host, code, said):
    _, _, err = call(host=host)
    assert f"[{code}]" in err
    assert said in err


def test_the_environment_s_proxy_is_used_except_on_this_machine(server, call, monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    code, out, _ = call(host="http://kubeflow.example.com")
    assert code == 0
    assert "http://kubeflow.example.com/#/runs/details/" in out
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert call()[0] == 0


def test_plain_http_where_tls_is_asked_for(server, call):
    _, _, err = call(host=server.url.replace("http:", "https:"))
    assert "[KFP_TLS]" in err
    assert "write http://" in err


def test_the_wrong_path_of_a_right_host(call):
    with StandIn(prefix="/pipeline") as behind:
        assert "[NOT_KUBEFLOW]" in call(host=behind.url.removesuffix("/pipeline"))[2]
        assert call(host=behind.url)[0] == 0


def test_no_failure_shows_a_secret(server, call, monkeypatch):
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    monkeypatch.setenv("KFP_COOKIE", COOKIE)
    echo = f"you sent 'Bearer {TOKEN}' and {COOKIE}; see https://me:pw@x.example.com/?key=s3cret"
    for status in (301, 400, 401, 403, 404, 409, 500, 503):
        for body in (echo, json.dumps({"message": echo}), json.dumps({"error_message": echo})):
            server.failures = []
            server.fail("healthz", status, body)
            code, out, err = call("--attach", "some-run", start=False)
            assert code == 3
            for secret in (TOKEN, COOKIE, "c00k1e", "me:pw", "s3cret"):
                assert secret not in out + err
    server.failures = []
    server.state.life = [BAD[1] | {"error": echo}]
    server.logs[TRAIN_POD] = echo
    code, out, err = call("--watch", "--json")
    assert code == 3
    assert "the log of train" in err
    for secret in (TOKEN, "c00k1e", "me:pw", "s3cret"):
        assert secret not in out + err
