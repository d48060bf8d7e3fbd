"""Telling a process from all others, on this machine and on any other, and whether it lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil


def process_table() -> str:
    """Identify the process table that a process id belongs to: host, boot and process-id namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    parts.append(boot.read_text().strip() if boot.exists() else str(psutil.boot_time()))
    if space.exists():
        parts.append(str(space.stat().st_ino))
    return "/".join(parts)


def process_started(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot (no clock that is set changes it); None if it ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def process_lives(pid: int, started: str | None) -> bool:
    """Return whether the process of this machine lives that had the id ``pid`` and began at ``started``."""
    began = process_started(pid)
    if began is not None:
        # A process id is used again sooner or later: its start time tells the process from a stranger.
        return began == started
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # where other users' processes are hidden from /proc, only this tells that one exists
    except (ProcessLookupError, OverflowError):
        pass
    return False
