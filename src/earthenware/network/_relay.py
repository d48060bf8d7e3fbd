"""A relay that GDAL's connections go through: it sees the address of each, that of a redirect as well.

GDAL follows redirects by itself, cannot be told not to, and looks names up by itself. So it is told that there is a
SOCKS proxy: whatever it connects to, it asks the relay for, by name, and the relay looks at the address.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import socket
import struct
import threading
from functools import lru_cache
from typing import Final

from earthenware.network._hosts import HostKind, connect, has_proxy

_CONNECT_SECONDS: Final = 20.0
_BUFFER: Final = 2**18
_SUCCEEDED, _FORBIDDEN, _UNREACHABLE = 0, 2, 4
"""Answers of SOCKS version 5 (RFC 1928)."""
_REFUSED: Final = re.compile(rf"complete SOCKS5 connection to .*\({_FORBIDDEN}\)")
"""curl's message about a connection that was forbidden."""


def relay(near: frozenset[HostKind]) -> str:
    """Return the URL of a SOCKS proxy that connects to public hosts and to those of some kinds.

    It lives as long as this process. Where the environment names a proxy there is none, as that one makes the
    connections, and the URL is empty.
    """
    return "" if has_proxy() else _start(near)


def refused(message: str) -> bool:
    """Return whether a message of GDAL tells that a relay refused a connection."""
    return bool(_REFUSED.search(message))


@lru_cache(maxsize=32)
def _start(near: frozenset[HostKind]) -> str:
    # curl goes past any proxy to the hosts named here, which mean nothing else where there is no proxy.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ.pop(name, None)
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(server, near), name="relay", daemon=True).start()
    return f"socks5h://127.0.0.1:{server.getsockname()[1]}"


def _accept(server: socket.socket, near: frozenset[HostKind]) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_serve, args=(client, near), name="relay", daemon=True).start()


def _serve(client: socket.socket, near: frozenset[HostKind]) -> None:
    with client, contextlib.suppress(OSError, struct.error, UnicodeError):
        client.settimeout(_CONNECT_SECONDS)
        _, methods = _exactly(client, 2)
        _exactly(client, methods)
        client.sendall(b"\x05\x00")  # nobody has to log in
        host, port = _asked(client)
        try:
            target = connect(host, port, near, _CONNECT_SECONDS)
        except OSError as error:
            _answer(client, _FORBIDDEN if isinstance(error, PermissionError) else _UNREACHABLE)
            return
        with target:
            _answer(client, _SUCCEEDED)
            _carry(client, target)


def _asked(client: socket.socket) -> tuple[str, int]:
    kind = _exactly(client, 4)[3]
    if kind == 3:
        host = _exactly(client, _exactly(client, 1)[0]).decode("ascii")
    else:
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, _exactly(client, size))
    (port,) = struct.unpack("!H", _exactly(client, 2))
    return host, port


def _answer(client: socket.socket, code: int) -> None:
    client.sendall(bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0)))


def _exactly(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = client.recv(count - len(found))
        if not more:
            raise ConnectionError("the client went away")
        found += more
    return found


def _carry(client: socket.socket, target: socket.socket) -> None:
    """Carry bytes both ways until one side ends; the client, GDAL, knows how long to wait."""
    client.settimeout(None)
    target.settimeout(None)
    buffer = memoryview(bytearray(_BUFFER))
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, target)
        ready.register(target, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                source, other = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                count = source.recv_into(buffer)
                if not count:
                    return
                other.sendall(buffer[:count])
