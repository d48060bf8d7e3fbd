"""Who holds a lease: the process, told from all others on all machines, and whether it lives."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, Final

import psutil

_SKEW_LIMIT: Final = 900.0
"""Seconds by which no clock is off: S3 refuses requests of a machine whose clock is."""

HELD: set[str] = set()
"""Owners of the leases that this process holds."""


def machine() -> str:
    """Identify the process table that a process id belongs to: host, boot and process-id namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    parts.append(boot.read_text().strip() if boot.exists() else str(psutil.boot_time()))
    if space.exists():
        parts.append(str(space.stat().st_ino))
    return "/".join(parts)


def started(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot (no clock that is set changes it); None if it ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def holder_is_alive(lease: dict[str, Any]) -> bool | None:
    """Return whether the holder lives, or None when it is on another machine and only time will tell."""
    try:
        pid, owner = int(lease["pid"]), str(lease["owner"])
        if lease["machine"] != machine():
            return None if float(lease["expires"]) > time.time() - _SKEW_LIMIT else False
    except (KeyError, TypeError, ValueError):
        return False  # not a lease
    if pid == os.getpid():
        return owner in HELD  # an earlier run of this process may have been unable to release
    began = started(pid)
    if began is None:
        # Where other users' processes are hidden from /proc, only a signal's refusal tells that one exists.
        return _refuses_signals(pid)
    # A process id is used again sooner or later: its start time tells the holder from a stranger.
    return began == lease.get("process_started")


def _refuses_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False  # ours to signal, and /proc said that it ended
