"""This machine, or the container that hides it: CPU cores, memory, shared memory, and room on its disks."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

from earthenware import storage
from earthenware.doctor._examine import Verdict, failed, ok, warning
from earthenware.processes import cpu_limit, memory_limit

_GIB: Final = 2**30
_SHM: Final = Path("/dev/shm")
# The demo, a small run, was measured at 4.6 GB of memory; Ray wants 0.1 GiB of shared memory beside the loaders' own.
_MEMORY_SCARCE, _MEMORY_LEAST = 6 * _GIB, 2 * _GIB
_DISK_SCARCE, _DISK_LEAST = 20 * _GIB, 1 * _GIB
_TEMPORARY_SCARCE, _TEMPORARY_LEAST = 5 * _GIB, _GIB // 2
_SHM_SCARCE: Final = 256 * 2**20


def check_cpu() -> Verdict:
    """Tell how many cores this process may use: the machine's, its affinity's, or its container's quota."""
    cores = float(len(os.sched_getaffinity(0)))
    quota = cpu_limit()
    cores = cores if quota is None else min(cores, quota)
    sentence = f"{cores:g} CPU cores can be used."
    if cores < 2:
        return warning(sentence, "Two are the least that a run is comfortable with: raise the container's CPU limit.")
    return ok(sentence)


def check_memory() -> Verdict:
    """Tell how much memory is free, of the machine or below the container's limit."""
    available, where = int(psutil.virtual_memory().available), "of the machine"
    limit = memory_limit()
    if limit is not None and limit[0] - limit[1] < available:
        available, where = limit[0] - limit[1], f"below the container's limit of {_size(limit[0])}"
    remedy = "Close other programs or raise the container's memory limit; smaller batch sizes and workers need less."
    sentence = f"{_size(available)} of memory are free {where}."
    return _enough(available, _MEMORY_SCARCE, _MEMORY_LEAST, sentence, f"{remedy} The demo needs 4.6 GB.")


def check_shared_memory() -> Verdict:
    """Tell the size of ``/dev/shm``, through which Ray and the loaders' processes pass data."""
    remedy = "Start the container with --shm-size=2g; in Kubernetes set shared_memory in the profile."
    try:
        total = shutil.disk_usage(_SHM).total
    except OSError:
        return warning(f"There is no shared memory at {_SHM}.", remedy)
    return _enough(total, _SHM_SCARCE, 0, f"{_SHM} holds {_size(total)}.", remedy)


def check_disk(root: str) -> Verdict:
    """Tell the free room where a local root lies, whose folder need not exist yet."""
    path = storage.local_path(root)
    free = shutil.disk_usage(next(one for one in (path, *path.parents) if one.is_dir())).free
    remedy = "Free some, or choose another root, on a larger disk or as s3://."
    return _enough(free, _DISK_SCARCE, _DISK_LEAST, f"{_size(free)} are free at '{path}'.", remedy)


def check_temporary() -> Verdict:
    """Tell the free room in the folder of temporary files, and whether it can be written."""
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        sentence = f"There is no folder that temporary files can be written to ({error.strerror or 'none is usable'})."
        return failed(sentence, "Set TMPDIR to a writable folder; in a container mount scratch there.")
    free = shutil.disk_usage(folder).free
    sentence = f"{_size(free)} are free for temporary files at '{folder}'."
    remedy = "Free some, or set TMPDIR to a folder with more room."
    return _enough(free, _TEMPORARY_SCARCE, _TEMPORARY_LEAST, sentence, remedy)


def _enough(amount: int, scarce: int, least: int, sentence: str, remedy: str) -> Verdict:
    if amount < least:
        return failed(sentence, remedy)
    return warning(sentence, remedy) if amount < scarce else ok(sentence)


def _size(number: int) -> str:
    return f"{max(0, number) / _GIB:.1f} GiB"
