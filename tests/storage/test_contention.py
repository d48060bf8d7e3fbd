"""Many writers at once: whole objects, one winner, no lost update."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from earthenware import storage

_LENGTH = 300_000


@pytest.fixture(params=["path", "s3"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path / "out")


def _run_in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def _create(uri: str, number: int) -> bool:
    try:
        storage.write_bytes(uri, str(number).encode() * _LENGTH, create_only=True)
    except FileExistsError:
        return False
    return True


def _add_one(uri: str, times: int) -> None:
    for _ in range(times):
        while True:
            data, version = storage.read_versioned(uri)
            try:
                storage.replace(uri, str(int(data) + 1).encode(), version)
                break
            except storage.ConflictError:
                continue


def test_of_many_threads_that_create_an_object_one_wins(prefix: str) -> None:
    for round_ in range(5):
        uri = storage.join(prefix, f"claim-{round_}")
        won = _run_in_threads(8, lambda number, uri=uri: _create(uri, number))  # type: ignore[misc]
        assert won.count(True) == 1
        assert storage.read_bytes(uri) == str(won.index(True)).encode() * _LENGTH
    assert len(list(storage.list_files(prefix))) == 5


def test_of_many_processes_that_create_an_object_one_wins(prefix: str) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        for round_ in range(5):
            uri = storage.join(prefix, f"claim-{round_}")
            won = list(pool.map(_create, [uri] * 8, range(8)))
            assert won.count(True) == 1
            assert storage.read_bytes(uri) == str(won.index(True)).encode() * _LENGTH
        uri = storage.join(prefix, "counter")
        storage.write_bytes(uri, b"0")
        list(pool.map(_add_one, [uri] * 4, [10] * 4))
        assert storage.read_bytes(uri) == b"40"


def test_no_update_is_lost(prefix: str) -> None:
    uri = storage.join(prefix, "counter")
    storage.write_bytes(uri, b"0")
    _run_in_threads(6, lambda _: _add_one(uri, 8))
    assert storage.read_bytes(uri) == b"48"


def test_a_reader_never_sees_a_part_of_an_object(prefix: str, tmp_path: Path) -> None:
    uri = storage.join(prefix, "x")
    storage.write_bytes(uri, b"0" * _LENGTH)
    stop = threading.Event()
    files = []
    for number in range(4):
        files.append(tmp_path / f"local-{number}")
        files[-1].write_bytes(str(number).encode() * _LENGTH)

    def write(number: int) -> None:
        while not stop.is_set():
            if number % 2:
                storage.upload_file(files[number], uri)
            else:
                storage.write_bytes(uri, str(number).encode() * _LENGTH)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            data = storage.read_bytes(uri)
            assert len(data) == _LENGTH
            assert len(set(data)) == 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert list(storage.list_files(prefix)) == ["x"]


def test_creating_works_where_the_file_system_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    uri = str(tmp_path / "claim")
    won = _run_in_threads(8, lambda number: _create(uri, number))
    assert won.count(True) == 1
    assert storage.read_bytes(uri) == str(won.index(True)).encode() * _LENGTH
    assert [path.name for path in tmp_path.iterdir()] == ["claim"]


def test_replacing_and_removing_at_once_ends_in_one_of_both(prefix: str) -> None:
    uri = storage.join(prefix, "x.json")
    for _ in range(10):
        storage.write_json(uri, {"round": 0})
        version = storage.read_versioned(uri)[1]

        def replace(number: int, version: str = version) -> bool:
            try:
                storage.replace(uri, json.dumps({"round": number}).encode(), version)
            except storage.ConflictError:
                return False
            return True

        assert _run_in_threads(4, replace).count(True) == 1
