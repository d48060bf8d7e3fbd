"""Which addresses are whose, and which links lead where they may not."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware.errors import EarthenwareError
from earthenware.network import HostKind, kind_of, neighbourhood, permitted_link, relay

NAMES = {
    "catalog.example.org": "93.184.216.34",
    "tiles.example.org": "127.0.0.1",
    "inside.example.org": "10.1.2.3",
    "metadata.example.org": "169.254.169.254",
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make some names known, as a server of names does."""
    original = socket.getaddrinfo

    def look_up(host, port, *rest, **options):  # type: ignore[no-untyped-def]
        return original(NAMES.get(host, host), port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.216.34", HostKind.PUBLIC),
        ("2606:2800:220:1::1", HostKind.PUBLIC),
        ("10.1.2.3", HostKind.PRIVATE),
        ("172.16.0.1", HostKind.PRIVATE),
        ("192.168.1.1", HostKind.PRIVATE),
        ("100.64.0.1", HostKind.PRIVATE),
        ("fd00:ec2::254", HostKind.PRIVATE),
        ("127.0.0.1", HostKind.LOOPBACK),
        ("127.255.1.2", HostKind.LOOPBACK),
        ("::1", HostKind.LOOPBACK),
        ("169.254.169.254", HostKind.LINK_LOCAL),
        ("fe80::1%eth0", HostKind.LINK_LOCAL),
        ("0.0.0.0", HostKind.RESERVED),
        ("0.1.2.3", HostKind.RESERVED),
        ("::", HostKind.RESERVED),
        ("224.0.0.1", HostKind.RESERVED),
    ],
)
def test_kinds(address: str, kind: HostKind) -> None:
    assert kind_of(address) is kind


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_of_the_same_kind(address: IPv4Address) -> None:
    number = int(address)
    kinds = {
        kind_of(str(IPv6Address((0xFFFF << 32) | number))),
        kind_of(str(IPv6Address((0x2002 << 112) | (number << 80)))),
        kind_of(str(IPv6Address((0x64FF9B << 96) | number))),
    }
    assert kinds == {kind_of(str(address))}


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1/a.tif",
        "https://127.1/a.tif",
        "https://2130706433/a.tif",
        "https://0x7f.0.0.1/a.tif",
        "https://localhost/a.tif",
        "https://x.LOCALHOST./a.tif",
        "https://[::1]/a.tif",
        "https://[::ffff:127.0.0.1]/a.tif",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1:8443/a.tif",
        "https://0.0.0.0/a.tif",
        "http://catalog.example.org/a.tif",  # without encryption
    ],
)
def test_a_public_catalog_leads_to_no_inner_host(names: None, link: str) -> None:
    with pytest.raises(EarthenwareError) as raised:
        permitted_link(link, "https://catalog.example.org/stac")
    assert raised.value.code == "FORBIDDEN_LINK"


@pytest.mark.parametrize(
    ("link", "catalog", "permitted"),
    [
        ("http://127.0.0.1:1/a.tif", "http://localhost:2/stac", True),
        ("http://10.0.0.1/a.tif", "http://inside.example.org/stac", True),
        ("https://93.184.216.34/a.tif", "http://inside.example.org/stac", True),
        ("http://127.0.0.1/a.tif", "http://inside.example.org/stac", False),
        ("http://10.0.0.1/a.tif", "http://localhost/stac", False),
        ("http://169.254.169.254/a.tif", "http://localhost/stac", False),
        ("http://127.0.0.1/a.tif", "/data/items.json", True),
        ("http://10.0.0.1/a.tif", "", True),
        ("http://169.254.169.254/a.tif", "/data/items.json", False),
        ("s3://bucket/a.tif", "https://catalog.example.org/stac", True),
    ],
)
def test_a_catalog_leads_to_hosts_of_its_own_kind(names: None, link: str, catalog: str, permitted: bool) -> None:
    try:
        permitted_link(link, catalog)
    except EarthenwareError:
        assert not permitted
    else:
        assert permitted


def test_the_neighbourhood_of_a_file_is_that_of_its_link(names: None) -> None:
    assert neighbourhood("http://inside.example.org/a", "s3://bucket/items.json") == {HostKind.PRIVATE}
    assert neighbourhood("http://metadata.example.org/a", "/items.json") == frozenset()
    assert neighbourhood("http://10.0.0.1/a", "https://catalog.example.org") == {HostKind.PUBLIC}


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                while data := client.recv(65536):
                    client.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def _through(near: frozenset[HostKind], host: str, port: int) -> tuple[int, socket.socket]:
    """Ask a relay for a connection, and return its answer and the connection."""
    client = socket.create_connection(("127.0.0.1", int(relay(near).rpartition(":")[2])), timeout=10)
    client.sendall(b"\x05\x01\x00")
    assert client.recv(2) == b"\x05\x00"
    name = host.encode()
    client.sendall(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + struct.pack("!H", port))
    return client.recv(10)[1], client


def test_a_relay_connects_by_address(names: None, echo: int) -> None:
    near = frozenset({HostKind.LOOPBACK})
    for host in ("127.0.0.1", "localhost", "tiles.example.org"):
        answer, client = _through(near, host, echo)
        with client:
            assert answer == 0
            sent = bytes(range(256)) * 4000
            threading.Thread(target=client.sendall, args=(sent,)).start()
            got = b""
            while len(got) < len(sent):
                got += client.recv(65536)
            assert got == sent
    for host in ("inside.example.org", "metadata.example.org", "169.254.169.254"):
        answer, client = _through(near, host, echo)
        with client:
            assert (answer, client.recv(1)) == (2, b"")
    answer, client = _through(frozenset(), "tiles.example.org", echo)
    with client:
        assert answer == 2


def test_a_proxy_of_the_environment_takes_the_place_of_the_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert relay(frozenset()).startswith("socks5h://127.0.0.1:")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    assert relay(frozenset()) == ""
