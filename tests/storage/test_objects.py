"""Reading and writing objects, on local folders and on an S3 service alike."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minio import Minio

from earthenware import storage
from earthenware.errors import EarthenwareError

ODD_NAMES = ["a b", "ü/日本.json", "a#b", "a#c", "a?b=c&d", "a%20b", "a%b", "a+b", "a&b=c;d", "a:b@c"]
ODD_NAMES += ["a\\b", "'\"*~", ".hidden", "x.tmp"]


@pytest.fixture(params=["path", "file", "s3"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty prefix of each kind that can be written."""
    if request.param == "s3":
        return storage.join(request.getfixturevalue("bucket"), "some prefix")
    folder = tmp_path / "some prefix"
    return str(folder) if request.param == "path" else folder.as_uri()


def test_odd_names_are_kept_apart_and_listed_as_they_are(prefix: str) -> None:
    for odd in ODD_NAMES:
        storage.write_bytes(storage.join(prefix, odd), odd.encode())
    assert list(storage.list_files(prefix)) == sorted(ODD_NAMES)
    for odd in storage.list_files(prefix):
        uri = storage.join(prefix, odd)
        assert storage.read_bytes(uri) == odd.encode()
        assert storage.exists(uri)
        assert storage.size(uri) == len(odd.encode())
        storage.delete_file(uri)
        assert not storage.exists(uri)
    assert storage.is_empty(prefix)


_KEY = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
        lambda text: text not in (".", "..")
    ),
    min_size=1,
    max_size=3,
).map("/".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=_KEY, data=st.binary(max_size=64))
def test_what_is_written_is_read(prefix: str, key: str, data: bytes) -> None:
    storage.delete_prefix(prefix)
    uri = storage.join(prefix, key)
    storage.write_bytes(uri, data)
    assert storage.read_bytes(uri) == data
    assert list(storage.list_files(prefix)) == [key]
    read, version = storage.read_versioned(uri)
    assert read == data
    assert storage.replace(uri, data + b"!", version) != version
    with pytest.raises(storage.ConflictError):
        storage.replace(uri, b"late", version)
    assert storage.read_bytes(uri) == data + b"!"


def test_a_newline_in_a_name_works_locally_and_is_refused_in_one_line_on_s3(tmp_path: Path, bucket: str) -> None:
    storage.write_bytes(storage.join(str(tmp_path), "a\nb"), b"x")
    assert list(storage.list_files(str(tmp_path))) == ["a\nb"]
    with pytest.raises(EarthenwareError) as caught:
        storage.write_bytes(storage.join(bucket, "a\nb"), b"x")
    assert caught.value.code == "BAD_URI"
    assert "\n" not in str(caught.value)


def test_missing_objects(prefix: str) -> None:
    uri = storage.join(prefix, "absent.json")
    for read in (storage.read_bytes, storage.read_json, storage.read_table, storage.size, storage.read_versioned):
        with pytest.raises(FileNotFoundError):
            read(uri)
    assert not storage.exists(uri)
    assert storage.is_empty(prefix)
    assert list(storage.list_files(prefix)) == []
    storage.delete_file(uri)
    storage.delete_prefix(prefix)
    with pytest.raises(storage.ConflictError):
        storage.replace(uri, b"x", "0")


def test_a_prefix_is_not_an_object_and_no_prefix_of_another_name(prefix: str) -> None:
    storage.write_bytes(storage.join(prefix, "a/b/x"), b"1")
    storage.write_bytes(storage.join(prefix, "a/bc/x"), b"2")
    assert not storage.exists(storage.join(prefix, "a"))
    assert list(storage.list_files(storage.join(prefix, "a/b"))) == ["x"]
    assert not storage.is_empty(storage.join(prefix, "a/b"))
    assert storage.is_empty(storage.join(prefix, "a/bcd"))
    storage.delete_prefix(storage.join(prefix, "a/b"))
    assert list(storage.list_files(prefix)) == ["a/bc/x"]


def test_all_below_a_prefix_goes_but_what_is_kept(prefix: str) -> None:
    for name in ("a", "b", "c/a", "c/d/e"):
        storage.write_bytes(storage.join(prefix, name), b"1")
    storage.delete_prefix(prefix, keep=("a",))
    assert list(storage.list_files(prefix)) == ["a"]


def test_trees_and_files_travel(prefix: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = ["a", "deep/er/b c", "deep/#d"]
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(name.encode() * 1000)
    storage.upload_tree(tree, prefix)
    assert list(storage.list_files(prefix)) == sorted(names)
    for name in names:
        assert storage.read_bytes(storage.join(prefix, name)) == name.encode() * 1000
    storage.delete_prefix(prefix)
    assert storage.is_empty(prefix)


def test_uploading_over_an_object_replaces_it_whole(prefix: str, tmp_path: Path) -> None:
    local = tmp_path / "local"
    uri = storage.join(prefix, "x")
    for text in (b"long" * 100, b"short"):
        local.write_bytes(text)
        storage.upload_file(local, uri)
        assert storage.read_bytes(uri) == text
    with pytest.raises(FileNotFoundError):
        storage.upload_file(tmp_path / "absent", uri)
    assert storage.read_bytes(uri) == b"short"
    assert list(storage.list_files(prefix)) == ["x"]


def test_json_holds_what_it_was_given(prefix: str) -> None:
    uri = storage.join(prefix, "x.json")
    value = {"n": 3, "x": 0.5, "row": [0, 1], "text": "\u00e4"}
    storage.write_json(uri, value)
    assert storage.read_json(uri) == value
    with pytest.raises(TypeError, match="set is not JSON"):
        storage.write_json(uri, {"x": {1, 2}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.write_json(uri, {"x": float("nan")})
    assert storage.read_json(uri)["n"] == 3


def test_truncated_json_is_named(prefix: str) -> None:
    uri = storage.join(prefix, "x.json")
    for text in (b'{"a": 1', b"", b"\xff\xfe", b"[" * 100_000):
        storage.write_bytes(uri, text)
        with pytest.raises(EarthenwareError, match=r"x\.json' is not a complete JSON document") as caught:
            storage.read_json(uri)
        assert caught.value.code == "NOT_JSON"
        assert "\n" not in caught.value.message


def test_tables(prefix: str) -> None:
    uri = storage.join(prefix, "x.parquet")
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", None]})
    storage.write_table(table, uri, row_group_size=2)
    assert storage.read_table(uri).equals(table)
    assert storage.read_table(uri, ["b"]).column_names == ["b"]
    with pytest.raises(EarthenwareError, match="has no column 'c'") as caught:
        storage.read_table(uri, ["a", "c"])
    assert caught.value.code == "NO_SUCH_COLUMN"


def test_damaged_tables_are_named(prefix: str) -> None:
    whole, uri = storage.join(prefix, "whole"), storage.join(prefix, "x.parquet")
    storage.write_table(pa.table({"a": list(range(10_000))}), whole)
    data = storage.read_bytes(whole)
    flipped = data[:100] + bytes(255 - byte for byte in data[100:400]) + data[400:]
    for damaged in (b"", b"PAR1", data[:-1], data[: len(data) // 2], b"a,b\n1,2\n", flipped):
        storage.write_bytes(uri, damaged)
        with pytest.raises(EarthenwareError, match=r"x\.parquet' is not a whole Parquet file") as caught:
            storage.read_table(uri)
        assert caught.value.code == "NOT_PARQUET"
        assert "\n" not in caught.value.message


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    uri = str(tmp_path / "x")
    for read in (storage.read_bytes, storage.read_json, storage.read_versioned, lambda uri: storage.read_tail(uri, 3)):
        with pytest.raises(EarthenwareError, match=r"/x': it is not a regular file") as caught:
            read(uri)
        assert caught.value.code == "STORAGE_FAILED"
    with pytest.raises(EarthenwareError, match=r"/x': "):
        storage.read_ranges(uri, [(0, 3)])


def test_leftovers_of_a_killed_writer_are_not_objects(tmp_path: Path) -> None:
    """A writer killed between writing its temporary file and naming it."""
    folder = tmp_path / "out"
    program = f"""
import os
from pathlib import Path
from earthenware import storage
Path.replace = lambda *_: os.kill(os.getpid(), 9)
storage.write_bytes({str(folder / "x")!r}, b"data")
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert [path.stat().st_size for path in folder.iterdir()] == [4], "the writer should have left something"
    assert storage.is_empty(str(folder))
    assert list(storage.list_files(str(folder))) == []
    storage.upload_tree(folder, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()
    storage.delete_prefix(str(folder))
    assert not folder.exists()


def test_foreign_hidden_files_are_objects(tmp_path: Path) -> None:
    (tmp_path / ".important.tmp").write_bytes(b"x")
    assert not storage.is_empty(str(tmp_path))


def test_the_folder_object_of_a_web_console_is_not_an_object(bucket: str, s3: str) -> None:
    client = Minio(urlsplit(s3).netloc, "earthenware", "not-a-secret", secure=False, region="us-east-1")
    client.put_object(bucket.removeprefix("s3://"), "runs/", io.BytesIO(b""), 0)
    assert storage.is_empty(storage.join(bucket, "runs"))
    storage.write_bytes(storage.join(bucket, "runs/x"), b"1")
    assert list(storage.list_files(storage.join(bucket, "runs"))) == ["x"]


def test_new_files_have_the_permissions_that_the_umask_allows(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "ours"), b"")
    (tmp_path / "usual").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_listing_is_lazy_enough_to_ask_whether_a_large_folder_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        storage.write_bytes(str(tmp_path / f"{number}" / "x"), b"")
    visited: list[str] = []
    scandir = os.scandir

    def counting(path: str) -> Any:
        visited.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    assert not storage.is_empty(str(tmp_path))
    assert len(visited) <= 3


def test_folders_right_below_a_prefix(prefix: str) -> None:
    assert list(storage.list_prefixes(prefix)) == []
    for odd in ODD_NAMES:
        name = odd.replace("/", "_")
        storage.write_bytes(storage.join(prefix, "top", name, "deep/x"), b"1")
    storage.write_bytes(storage.join(prefix, "top", "a file"), b"1")
    storage.write_bytes(storage.join(prefix, "top2/b/x"), b"1")
    assert list(storage.list_prefixes(prefix)) == ["top", "top2"]
    assert list(storage.list_prefixes(storage.join(prefix, "top"))) == sorted(x.replace("/", "_") for x in ODD_NAMES)
    assert list(storage.list_prefixes(storage.join(prefix, "top", "a file"))) == []


def test_folders_of_a_whole_bucket_and_of_the_web(bucket: str) -> None:
    storage.write_bytes(storage.join(bucket, "a/b/x"), b"1")
    storage.write_bytes(storage.join(bucket, "c"), b"1")
    assert list(storage.list_prefixes(bucket)) == ["a"]
    with pytest.raises(EarthenwareError) as caught:
        list(storage.list_prefixes("https://example.org/a"))
    assert caught.value.code == "NOT_LISTABLE"


def test_links_to_other_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there" / "a").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
    assert list(storage.list_prefixes(str(tmp_path / "here"))) == []


def test_json_document_is_readable_by_people(tmp_path: Path) -> None:
    storage.write_json(str(tmp_path / "x.json"), {"b": 1, "a": [1]})
    text = (tmp_path / "x.json").read_text()
    assert text.startswith('{\n  "a"')
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": [1], "b": 1}
