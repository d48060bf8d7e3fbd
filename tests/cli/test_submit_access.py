"""``earthenware submit`` over HTTP: namespaces, tokens, cookies, certificates."""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kubeflow.stand_in_kfp import StandIn
from tests.kubeflow.submitting import COOKIE, TOKEN, Command, only


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in
    assert stand_in.broken == []


@pytest.fixture
def call(server, tmp_path, capsys, monkeypatch):
    return Command(server, tmp_path, capsys, monkeypatch)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that is its own authority, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    start = datetime.now(UTC) - timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), start, start + timedelta(9))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = tmp_path / "server.pem"
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_namespace_is_not_sent_where_there_is_one_user(server, call):
    assert call("--namespace", "kubeflow")[0] == 0  # the chart's notes always name one
    assert only(server.state.pipelines).get("namespace", "") == ""
    assert only(server.state.experiments)["namespace"] == ""


def test_a_namespace_is_needed_where_there_are_several_users(server, call):
    server.state.multi_user = True
    code, _, err = call()
    assert code != 0
    assert "[NO_NAMESPACE]" in err
    assert call("--namespace", "team-a")[0] == 0
    assert only(server.state.pipelines)["namespace"] == "team-a"
    assert only(server.state.experiments)["namespace"] == "team-a"
    code, _, err = call("--namespace", "team-b")
    assert code == 3
    assert "[KFP_FORBIDDEN]" in err
    assert "'team-b'" in err


def test_a_token_from_a_file_or_the_environment(server, call, tmp_path, monkeypatch):
    server.tokens = {TOKEN}
    assert "[KFP_UNAUTHENTICATED]" in call()[2]
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert call("--token-file", str(tmp_path / "token"))[0] == 0
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    assert call()[0] == 0
    assert all(headers["user-agent"].startswith("earthenware/") for headers in server.headers)


def test_a_cookie_from_a_file_or_the_environment(server, call, tmp_path, monkeypatch):
    server.cookies = {COOKIE}
    (tmp_path / "cookie").write_text(COOKIE + "\n")
    assert call("--cookie-file", str(tmp_path / "cookie"))[0] == 0
    monkeypatch.setenv("KFP_COOKIE", COOKIE)
    assert call()[0] == 0


def test_an_expired_token_is_named_as_such(server, call, monkeypatch):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1700000000}).encode()).decode().rstrip("=")
    monkeypatch.setenv("KFP_TOKEN", f"e30.{claims}.c2ln")
    server.tokens = {TOKEN}
    assert "expired at 2023-11-14 22:13:20 UTC" in call()[2]


def test_a_token_that_is_rotated_while_watching_is_read_anew(server, call, tmp_path):
    server.state.life = [{"state": "RUNNING"}] * 3 + [{"state": "SUCCEEDED"}]
    server.tokens = {TOKEN}
    file = tmp_path / "token"
    file.write_text(TOKEN)

    def rotate(line):
        if server.count("GET .*/runs/") == 2:
            server.tokens = {"tok-the-next-one"}
            file.write_text("tok-the-next-one")

    server.on_request = rotate
    assert call("--watch", "--token-file", str(file))[0] == 0


def test_a_token_that_expires_while_watching_ends_with_the_way_back(server, call, monkeypatch):
    server.state.life = [{"state": "RUNNING"}]
    server.tokens = {TOKEN}
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    server.on_request = lambda line: server.tokens.clear() or server.tokens.add("x") if "/runs/" in line else None
    code, _, err = call("--watch")
    assert code == 3
    assert "[KFP_UNAUTHENTICATED]" in err
    assert "come back with: earthenware submit pretrain --attach" in err


def test_an_authority_of_one_s_own(call, tmp_path, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with StandIn(ssl_context=context) as server:
        host = server.url.replace("http:", "https:")
        code, _, err = call(host=host)
        assert code == 3
        assert "[KFP_TLS]" in err
        assert "--ca-cert" in err
        assert call("--ca-cert", str(certificate), host=host)[0] == 0
        assert (
            "for which it was issued"
            in call("--ca-cert", str(certificate), host=f"{host}".replace("127.0.0.1", "localhost"))[2]
        )
        (tmp_path / "not.pem").write_text("no certificate")
        assert "[KFP_TLS]" in call("--ca-cert", str(tmp_path / "not.pem"), host=host)[2]
