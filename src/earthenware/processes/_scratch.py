"""Temporary folders that go with the process that made them, also where it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PREFIX: Final = "ew-tmp-"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextlib.contextmanager
def scratch_folder(kind: str, *, longest: int = 4096) -> Iterator[Path]:
    """Make a folder in the temporary directory, and remove it at the end of the block.

    Those of processes that were killed are removed first. A process locks its folder while it lives, which is seen from
    other containers too, where its id says nothing.

    Args:
        kind: What it is for, a part of its name.
        longest: Characters that its path may have; where the temporary directory's has too many, it lies in ``/tmp``.
    """
    base = Path(tempfile.gettempdir())
    if len(f"{base}/{_PREFIX}{kind}-12345678") > longest:
        base = Path("/tmp")
    for left in [path for place in {base, Path("/tmp")} for path in place.glob(f"{_PREFIX}*")]:
        with contextlib.suppress(OSError):
            _remove_if_left(left)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-", dir=base))
        with contextlib.suppress(FileNotFoundError):  # another process saw it before it was locked
            lock = os.open(folder, _FOLDER)
            with contextlib.suppress(OSError):  # a file system without locks, where nobody removes another's
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                break
            os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_if_left(folder: Path) -> None:
    lock = os.open(folder, _FOLDER)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
