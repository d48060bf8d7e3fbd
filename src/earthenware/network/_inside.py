"""Where this process is: in a pod of a cluster, or outside, where the cluster's own names mean nothing."""

from __future__ import annotations

import os
import re
import socket
import threading
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

_CLUSTER_NAME: Final = re.compile(r"[a-z0-9-]+|[a-z0-9.-]+\.svc(\.cluster\.local)?")
_RESOLVE_SECONDS: Final = 2.0


def in_pod() -> bool:
    """Return whether this process runs in a pod, to which Kubernetes tells the API's address."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def is_hidden(url: str) -> bool:
    """Return whether a URL's host looks like a service's name, and means nothing here, outside of its cluster."""
    host = urlsplit(url).hostname or ""
    return bool(_CLUSTER_NAME.fullmatch(host)) and not in_pod() and not _resolves(host)


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
