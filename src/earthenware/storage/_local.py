"""Local files with the promises of an object store: whole writes, put-if-absent, compare-and-swap."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from earthenware.storage._explain import ConflictError

_PREFIX, _SUFFIX = ".earthenware-", ".tmp"


def temporary_beside(path: Path) -> Path:
    """Return a new name in the folder of ``path``, which is made; :func:`walk` does not show files of such names."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # Not to be taken for "the object exists", which callers wait for.
        raise NotADirectoryError(errno.ENOTDIR, "A file stands where a folder is needed", str(error.filename)) from None
    return path.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")


def write_file(path: Path, data: bytes, *, create_only: bool) -> None:
    """Write ``data`` so that a reader sees all of it or none."""
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
        move_into_place(temporary, path, create_only=create_only)
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, path: Path, *, create_only: bool = False) -> None:
    """Give a complete file its name.

    Raises:
        FileExistsError: ``create_only`` was given and the name is taken.
    """
    if not create_only:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # fails where the name is taken, which makes it the conditional put
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        # A file system without hard links (FAT, some network mounts): the lock is among our writers only.
        with _locked(path.parent):
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists", str(path)) from None
            temporary.replace(path)


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links."""
    temporary = temporary_beside(target)
    try:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK):
                raise
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)  # also where both names are one file, which is then not renamed


def replace_file(path: Path, data: bytes, version: str) -> str:
    """Overwrite a file whose SHA-256 is ``version``; return the new one.

    Raises:
        ConflictError: It holds something else or is gone.
    """
    try:
        with _locked(path.parent):
            if hashlib.sha256(path.read_bytes()).hexdigest() != version:
                raise ConflictError(str(path))
            write_file(path, data, create_only=False)
    except FileNotFoundError as error:
        raise ConflictError(str(path)) from error
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an advisory lock on a folder: the local file system has no compare-and-swap of its own."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def walk(root: Path) -> Iterator[Path]:
    """Yield the files below ``root`` one by one, without what a killed writer left half written.

    Raises:
        PermissionError: A folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):  # removed meanwhile, or never there
            raise error

    for folder, _, files in os.walk(root, onerror=fail):
        for file in files:
            path = Path(folder, file)
            if not (file.startswith(_PREFIX) and file.endswith(_SUFFIX)) and path.is_file():
                yield path
