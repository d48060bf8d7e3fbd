"""Where this process is: in a pod of a cluster, or outside, where the cluster's own names mean nothing."""

from __future__ import annotations

import re
import socket
import threading
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts the token of a pod's service account."""
_CLUSTER_NAME: Final = re.compile(r"[a-z0-9-]+|[a-z0-9.-]+\.svc(\.cluster\.local)?")
_RESOLVE_SECONDS: Final = 2.0


def in_cluster() -> bool:
    """Return whether this process runs in a pod with a service account."""
    return (SERVICE_ACCOUNT / "token").is_file()


def is_hidden(url: str) -> bool:
    """Return whether a URL's host looks like a service's name, and means nothing here, outside of its cluster."""
    host = urlsplit(url).hostname or ""
    return bool(_CLUSTER_NAME.fullmatch(host)) and not in_cluster() and not _resolves(host)


@lru_cache(maxsize=64)
def _resolves(host: str) -> bool:
    known = threading.Event()
    # A broken resolver takes its time: it is not waited for.
    threading.Thread(target=_resolve, args=(host, known), daemon=True).start()
    return known.wait(_RESOLVE_SECONDS)


def _resolve(host: str, known: threading.Event) -> None:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return
    known.set()
