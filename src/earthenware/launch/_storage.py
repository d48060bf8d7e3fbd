"""Where Ray Train keeps its own bookkeeping: a local folder, or the object store where there are several machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyarrow.fs import FileSelector, FileSystemHandler, PyFileSystem, S3FileSystem

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.launch._local import existing_ray


def _shared_files() -> Any:
    """Return pyarrow's file system for the store that the environment names.

    Made here and not from a URI: pyarrow would ask Amazon for the bucket's region. It is sent to the workers without
    credentials, which each finds in its own environment.
    """
    access = storage.own_access()
    options: dict[str, Any] = {"region": access.region}
    if access.endpoint:
        options |= {"endpoint_override": access.parts.netloc, "scheme": access.parts.scheme}
    return PyFileSystem(_NoFolders(S3FileSystem(**options)))


def _handed_on(name: str) -> Any:
    """Return a method that is that of the store."""

    def method(self: _NoFolders, *arguments: Any) -> Any:
        return getattr(self.files, name)(*arguments)

    return method


class _NoFolders(FileSystemHandler):  # type: ignore[misc]
    """A store in which no empty object is made for a folder.

    pyarrow makes one for each level of a path, the output and its root among them; other clients list such an object
    as a file without a name, and cannot remove it.
    """

    normalize_path = _handed_on("normalize_path")
    get_file_info = _handed_on("get_file_info")
    get_file_info_selector = _handed_on("get_file_info")
    delete_file = _handed_on("delete_file")
    move = _handed_on("move")
    copy_file = _handed_on("copy_file")
    open_input_stream = _handed_on("open_input_stream")
    open_input_file = _handed_on("open_input_file")
    open_append_stream = _handed_on("open_append_stream")  # S3 has none, which it says

    def __init__(self, files: Any) -> None:
        self.files = files

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NoFolders) and bool(self.files == other.files)

    def __hash__(self) -> int:
        return hash(type(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.files,)

    def get_type_name(self) -> str:
        return "s3-without-folders"

    def create_dir(self, path: str, recursive: bool) -> None:
        pass  # it is there as soon as something lies below it

    def delete_dir(self, path: str) -> None:
        self.delete_dir_contents(path, missing_dir_ok=True)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        for item in self.files.get_file_info(FileSelector(path, recursive=True, allow_not_found=True)):
            if item.is_file:
                self.files.delete_file(item.path)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError("nobody removes all buckets")

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        return self.files.open_output_stream(path, metadata=metadata)


@contextlib.contextmanager
def ray_storage(output: str, attempt: str, scratch: Path) -> Iterator[dict[str, Any]]:
    """Yield the arguments of Ray Train's ``RunConfig`` that say where its bookkeeping lies; it is removed at the end.

    Call it while the output's lease is held. What a killed attempt left is removed first.

    Args:
        output: URI of the output that the step owns.
        attempt: Name of the attempt.
        scratch: A local folder of the attempt.
    """
    if not existing_ray() or not output.startswith("s3://"):
        yield {"storage_path": str(scratch / "ray")}
        return
    prefix = storage.join(output, "ray")
    storage.delete_prefix(prefix)
    path = storage.join(prefix, attempt).removeprefix("s3://")
    try:
        yield {"storage_path": path, "storage_filesystem": _shared_files()}
    finally:
        with contextlib.suppress(EarthenwareError):  # the first error is the one to show
            storage.delete_prefix(prefix)
