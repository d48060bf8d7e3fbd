"""Kinds of hosts, which of them a link may lead to, and which names mean nothing here."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import threading
from collections.abc import Set
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from earthenware.errors import EarthenwareError
from earthenware.storage import is_web, redact

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_HERE: Final = ipaddress.ip_network("0.0.0.0/8")
_CLUSTER_NAME: Final = re.compile(r"[a-z0-9-]+|[a-z0-9.-]+\.svc(\.cluster\.local)?")
_RESOLVE_SECONDS: Final = 2.0


class HostKind(StrEnum):
    """What kind of network an address belongs to."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    RESERVED = "reserved"


def kind_of(address: str) -> HostKind:
    """Return the kind of an IP address; one that carries another, as IPv4 within IPv6, is of the other's kind."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        within = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            within = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if within is not None:
            return kind_of(str(within))
    if ip.is_loopback:
        return HostKind.LOOPBACK
    if ip.is_link_local:
        return HostKind.LINK_LOCAL
    if ip.is_multicast or ip.is_unspecified or ip in _HERE:
        return HostKind.RESERVED
    return HostKind.PUBLIC if ip.is_global else HostKind.PRIVATE


@lru_cache(maxsize=256)
def kinds_of(url: str) -> frozenset[HostKind]:
    """Return the kinds of the addresses that a URL's host has; none for a name that nobody knows."""
    host = urlsplit(url).hostname or ""
    try:
        return frozenset(kind_of(str(found[4][0])) for found in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return frozenset()


def is_permitted(address: str, near: Set[HostKind]) -> bool:
    """Return whether an IP address may be connected to, where ``near`` are the kinds of the catalog's own host."""
    kind = kind_of(address)
    return kind is HostKind.PUBLIC or kind in near


def connect(host: str, port: int, near: Set[HostKind], seconds: float) -> socket.socket:
    """Connect to the first permitted address of a host that answers.

    Raises:
        PermissionError: The host has no permitted address.
        OSError: None of them answers.
    """
    failure: OSError = PermissionError(f"'{host}' is no public host")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not is_permitted(str(address[0]), near):
            continue
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(seconds)
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def has_proxy() -> bool:
    """Return whether the environment names a proxy: it then makes the connections, and says which it makes."""
    names = ("http_proxy", "https_proxy", "all_proxy", "gdal_http_proxy", "gdal_https_proxy")
    return any(name.lower() in names and value for name, value in os.environ.items())


def permitted_link(link: str, catalog: str) -> None:
    """Refuse a web link that may not be followed from a catalog, as far as the link itself tells.

    Args:
        link: An absolute link, of any scheme.
        catalog: Address of the catalog, or of its document.

    Raises:
        EarthenwareError: ``FORBIDDEN_LINK``.
    """
    if not is_web(link):
        return
    if link.startswith("http://") and catalog.startswith(("https://", "s3://")):
        raise forbidden(link, "it is not encrypted, and its catalog is")
    host = urlsplit(link).hostname or ""
    try:
        address = str(ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(host)) if ":" not in host else host))
    except (OSError, ValueError):
        address = "127.0.0.1" if host.rstrip(".").lower().endswith("localhost") else ""
    if address and not is_permitted(address, neighbourhood(link, catalog)):
        raise forbidden(link, f"it leads to a {kind_of(address)} host, which its catalog is not")


def neighbourhood(link: str, catalog: str) -> frozenset[HostKind]:
    """Return the kinds of hosts that a link and its redirects may lead to besides public ones.

    A file on this machine or in a store lives on no host. Its author is taken to mean the host that a link names, but
    for link-local ones, where clouds keep the keys of machines.
    """
    return kinds_of(catalog) if is_web(catalog) else kinds_of(link) - {HostKind.LINK_LOCAL}


def forbidden(link: str, why: str) -> EarthenwareError:
    """Return the error for a link that is not followed."""
    message = f"The link '{redact(link)[:200]}' is not followed: {why}."
    return EarthenwareError("FORBIDDEN_LINK", message, "Ask the catalog's owner what the link is for.")


def in_pod() -> bool:
    """Return whether this process runs in a pod, to which Kubernetes tells the API's address."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def is_hidden(url: str) -> bool:
    """Return whether a URL's host looks like a service's name, and means nothing here, outside of its cluster."""
    host = urlsplit(url).hostname or ""
    return bool(_CLUSTER_NAME.fullmatch(host)) and not in_pod() and not _resolves(url)


@lru_cache(maxsize=64)
def _resolves(url: str) -> bool:
    known = threading.Event()

    def look() -> None:
        if kinds_of(url):
            known.set()

    threading.Thread(target=look, daemon=True).start()  # a broken resolver takes its time: it is not waited for
    return known.wait(_RESOLVE_SECONDS)
