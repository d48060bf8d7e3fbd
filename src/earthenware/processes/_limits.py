"""What a container may use of its machine, and how many processes its memory holds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import psutil

from earthenware.errors import EarthenwareError

_MOUNT: Final = Path("/sys/fs/cgroup")
_UNLIMITED: Final = 2**60
"""Bytes from which on version 1 of control groups means: no limit."""


def require_room(field: str, processes: int, each: int) -> None:
    """Refuse more processes than the memory of this machine, or of its container, could ever hold.

    Args:
        field: The spec's field that asks for them.
        processes: Their number.
        each: Memory that one takes at the least (bytes).

    Raises:
        EarthenwareError: ``BAD_SPEC``.
    """
    limit = memory_limit()
    total = int(psutil.virtual_memory().total)
    total = total if limit is None else min(total, limit[0])
    most = max(1, total // each)
    if processes > most:
        message = f"{field} = {processes}: the {total / 2**30:.1f} GiB of memory here hold at most {most} of them."
        raise EarthenwareError("BAD_SPEC", message, f"Set {field} to about the number of CPU cores.")


def memory_limit(mount: Path = _MOUNT, own: str | None = None) -> tuple[int, int] | None:
    """Return the least memory limit on the way up from this process's group, and what is used of it, both in bytes.

    It is None where nothing limits it. ``own`` is the group's path below the mount, read from ``/proc`` where None.
    """
    found: list[tuple[int, int]] = []
    for folder in _folders(mount, own):
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is not None:
            # The kernel drops this part of the page cache as soon as memory is wanted.
            cache = re.search(r"^inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
            found.append((limit, (used or 0) - (int(cache[1]) if cache else 0)))
    old = _number(mount / "memory" / "memory.limit_in_bytes")
    if old is not None and old < _UNLIMITED:
        found.append((old, _number(mount / "memory" / "memory.usage_in_bytes") or 0))
    return min(found, key=lambda one: one[0] - one[1]) if found else None


def cpu_limit(mount: Path = _MOUNT, own: str | None = None) -> float | None:
    """Return the least CPU quota on the way up from this process's group in cores, or None; see memory_limit."""
    found: list[float] = []
    for folder in _folders(mount, own):
        words = _text(folder / "cpu.max").split()
        if len(words) == 2 and words[0] != "max":
            found.append(int(words[0]) / int(words[1]))
    quota, period = _number(mount / "cpu" / "cpu.cfs_quota_us"), _number(mount / "cpu" / "cpu.cfs_period_us")
    if quota and period and quota > 0:
        found.append(quota / period)
    return min(found, default=None)


def _folders(mount: Path, own: str | None) -> list[Path]:
    """Return the folders of this process's group and its parents, as far as they are visible here."""
    if own is None:
        lines = _text(Path("/proc/self/cgroup")).splitlines()
        own = next((line.partition("::")[2] for line in lines if line.startswith("0::")), "/")
    relative = os.path.normpath(own.strip("/") or ".")
    # Inside a container the path may be the one outside, whose folder is not mounted: then the mount is the group.
    folder = mount if relative.startswith("..") or not (mount / relative).is_dir() else mount / relative
    return [one for one in (folder, *folder.parents) if one == mount or mount in one.parents]


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
