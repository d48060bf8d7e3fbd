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
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def complete(path: Path, *, create_only: bool = False) -> Iterator[Path]:
    """Yield a new name in the folder of ``path``, which is made; what is written there gets its own name at the end.

    :func:`walk` does not show files of such names.

    Raises:
        FileExistsError: ``create_only`` was given and the name is taken.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError) as error:
        # Not to be taken for "the object exists", which callers wait for, nor for one that is not there.
        why = "no folder can be made there" if isinstance(error, FileNotFoundError) else "a file stands there"
        raise NotADirectoryError(errno.ENOTDIR, f"a folder is needed, and {why}", str(error.filename)) from None
    temporary = path.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    try:
        yield temporary
        if create_only:
            _name_once(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # also where both names are one file, which is then not renamed


def _name_once(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # fails where the name is taken, which makes it the conditional put
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links (FAT, some network mounts): the lock is among our writers only.
        with _locked(path.parent):
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists", str(path)) from None
            temporary.replace(path)


def write_file(path: Path, data: bytes, *, create_only: bool = False) -> None:
    """Write ``data`` so that a reader sees all of it or none."""
    with complete(path, create_only=create_only) as temporary, temporary.open("xb") as file:
        file.write(data)


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links."""
    with complete(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in (*_NO_LINKS, errno.EXDEV, errno.EMLINK):
                raise
            shutil.copyfile(source, temporary)


def replace_file(path: Path, data: bytes, version: str) -> str:
    """Overwrite a file whose SHA-256 is ``version``; return the new one.

    Raises:
        ConflictError: It holds something else or is gone.
    """
    try:
        with _locked(path.parent):
            if hashlib.sha256(path.read_bytes()).hexdigest() != version:
                raise ConflictError(str(path))
            write_file(path, data)
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
