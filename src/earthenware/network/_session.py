"""A requests session whose every connection, that of a redirect as well, is looked at before anything is sent."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests  # type: ignore[import-untyped]  # its stubs are a package of their own
from requests.adapters import HTTPAdapter  # type: ignore[import-untyped]
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from earthenware.errors import EarthenwareError, reason, redact
from earthenware.network._hosts import HostKind, forbidden, is_permitted, kinds_of, permitted_link

BUSY: Final = (429, 500, 502, 503, 504)
"""Statuses of a server that may answer if it is asked again."""
_LONGEST_WAIT_S: Final = 60


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        retries: Times a request is repeated that met a busy server or a broken connection. POST is repeated as well, as
            a search changes nothing. What ``Retry-After`` asks for is waited, up to a minute.
        backoff: Seconds before the second repetition; they double with each further one.
        connect: Seconds until a connection is there.
        answer: Longest silence in seconds.
    """

    retries: int = 4
    backoff: float = 1.0
    connect: float = 10.0
    answer: float = 60.0

    @property
    def timeout(self) -> tuple[float, float]:
        """As ``requests`` takes it."""
        return self.connect, self.answer


def guarded_session(catalog: str, patience: Patience) -> requests.Session:
    """Return a session that follows the links and redirects of a catalog on the web to permitted hosts only.

    Its requests raise ``FORBIDDEN_LINK``, and are repeated as ``patience`` says; how long each waits is said with each.
    """
    retry = Retry(
        total=patience.retries,
        connect=min(1, patience.retries),  # a wrong address stays wrong
        status_forcelist=BUSY,
        allowed_methods=frozenset({"GET", "POST"}),
        backoff_factor=patience.backoff,
        backoff_max=_LONGEST_WAIT_S,
        retry_after_max=_LONGEST_WAIT_S,
        raise_on_status=False,
    )
    session = requests.Session()
    adapter = _GuardingAdapter(catalog, retry)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def fetch(url: str, patience: Patience | None = None, *, body: bool = True) -> bytes:
    """Return what lies at a web address; redirects are followed to hosts of the address's own kind and public ones.

    Args:
        url: The address, http or https.
        patience: How long its server is waited for.
        body: Whether to read it, or only to see that it is there.

    Raises:
        FileNotFoundError: There is nothing.
        EarthenwareError: ``UNREACHABLE``, ``STORAGE_DENIED``, ``STORAGE_FAILED`` or ``FORBIDDEN_LINK``.
    """
    patience, shown = patience or Patience(), redact(url)
    try:
        with guarded_session(url, patience).get(url, timeout=patience.timeout, stream=True) as answer:
            if answer.ok:
                return bytes(answer.content) if body else b""
    except requests.RequestException as error:
        message = f"'{shown}' cannot be reached: {reason(error)}."
        raise EarthenwareError("UNREACHABLE", message, "Check the address and the network.") from None
    if answer.status_code in (404, 410):
        raise FileNotFoundError(errno.ENOENT, "There is no such object", shown)
    if answer.status_code in (401, 403):
        remedy = "The address wants a login or a signature, or the one it has ran out."
        raise EarthenwareError("STORAGE_DENIED", f"Permission denied to read '{shown}'.", remedy)
    message = f"Could not read '{shown}': the server answered {answer.status_code}."
    raise EarthenwareError("STORAGE_FAILED", message, "Check the address, or try again later.")


class _GuardingAdapter(HTTPAdapter):  # type: ignore[misc]
    """Looks at the link of each request and at the address of each connection."""

    def __init__(self, catalog: str, retry: Retry) -> None:
        self._catalog = catalog
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(kinds_of(self._catalog))

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        asked, home = urlsplit(str(request.url)), urlsplit(self._catalog)
        if (asked.scheme, home.scheme, asked.netloc) == ("http", "https", home.netloc):
            # A server behind a proxy that ends TLS often does not know, and gives its own links as http.
            request.url = asked._replace(scheme="https").geturl()
        permitted_link(str(request.url), self._catalog)
        return super().send(request, *args, **options)


def _pools(near: frozenset[HostKind]) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools of connections to permitted hosts; a proxy's connections are not made by them."""

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _looked_at(super()._new_conn(), self.host, near)

    class SecureConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _looked_at(super()._new_conn(), self.host, near)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _looked_at(connection: socket.socket, host: str, near: frozenset[HostKind]) -> socket.socket:
    if is_permitted(str(connection.getpeername()[0]), near):
        return connection
    connection.close()
    raise forbidden(host, "it leads to a host that is not public, and its catalog is not one of that kind")
