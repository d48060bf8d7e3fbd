"""Ends the containers of a run when the run ends, whatever ended it: they belong to the daemon, not to a parent.

This file is a program too, which 'earthenware run' starts beside itself: it waits until its standard input is closed,
as happens when that process dies, and then stops what carries the run's label.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

LABEL: Final = "earthenware.run"
_GRACE_SECONDS: Final = 10


def remove(container: Any) -> None:
    """Remove a container and its anonymous volumes, unless somebody else does so."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        container.remove(force=True, v=True)


def stop_all(label: str) -> None:
    """Stop and remove the containers with ``label``; those that ignore SIGTERM are killed after ten seconds."""
    import docker

    with contextlib.closing(docker.from_env()) as client, ThreadPoolExecutor() as pool:
        # Twice: one may have been between its creation and its start.
        for _ in range(2):
            list(pool.map(_stop, client.containers.list(all=True, filters={"label": label})))


def _stop(container: Any) -> None:
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # it ended meanwhile, or was never started
        container.stop(timeout=_GRACE_SECONDS)
    remove(container)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    stop_all(sys.argv[1])
