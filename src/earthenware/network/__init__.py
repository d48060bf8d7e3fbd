"""HTTP: a session that waits for a busy server; and where a stranger's links may lead.

A catalog's links, its pages and its servers' redirects lead anywhere the catalog's author likes: to the metadata
service of the cloud that this process runs in, say. Only public hosts are followed to, and hosts of the kind that the
catalog itself is one of. The address that is connected to is what is looked at, not its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.network._hosts import (
        HostKind,
        forbidden,
        in_pod,
        is_hidden,
        kind_of,
        neighbourhood,
        permitted_link,
    )
    from earthenware.network._relay import refused, relay
    from earthenware.network._session import BUSY, Patience, fetch, guarded_session
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "BUSY",
    "HostKind",
    "Patience",
    "fetch",
    "forbidden",
    "guarded_session",
    "in_pod",
    "is_hidden",
    "kind_of",
    "neighbourhood",
    "permitted_link",
    "refused",
    "relay",
]
