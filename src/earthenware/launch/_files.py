"""An object store as Ray Train sees it; imports pyarrow's file systems, so import it where it is used."""

from __future__ import annotations

from typing import Any

from pyarrow.fs import FileSelector, FileSystemHandler, PyFileSystem, S3FileSystem

from earthenware import storage


def shared_files() -> Any:
    """Return pyarrow's file system for the store that the environment names.

    Made here and not from a URI: pyarrow would ask Amazon for the bucket's region. It is sent to the workers without
    credentials, which each finds in its own environment.
    """
    access = storage.own_access()
    options: dict[str, Any] = {"region": access.region}
    if access.endpoint:
        options |= {"endpoint_override": access.parts.netloc, "scheme": access.parts.scheme}
    return PyFileSystem(NoFolders(S3FileSystem(**options)))


class NoFolders(FileSystemHandler):  # type: ignore[misc]
    """A store in which no empty object is made for a folder.

    pyarrow makes one for each level of a path, the output and its root among them; other clients list such an object
    as a file without a name, and cannot remove it.
    """

    def __init__(self, files: Any) -> None:
        self.files = files

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoFolders) and bool(self.files == other.files)

    def __hash__(self) -> int:
        return hash(type(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.files,)

    def get_type_name(self) -> str:
        return "s3-without-folders"

    def normalize_path(self, path: str) -> str:
        return str(self.files.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> Any:
        return self.files.get_file_info(paths)

    def get_file_info_selector(self, selector: FileSelector) -> Any:
        return self.files.get_file_info(selector)

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

    def delete_file(self, path: str) -> None:
        self.files.delete_file(path)

    def move(self, src: str, dest: str) -> None:
        self.files.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        self.files.copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        return self.files.open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        return self.files.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        return self.files.open_output_stream(path, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        return self.files.open_append_stream(path, metadata=metadata)
