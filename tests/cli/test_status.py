"""``earthenware status`` and ``clean`` on roots that hold many objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from earthenware import storage
from earthenware.cli._main import _call
from earthenware.graph import find_steps
from earthenware.steps import sha256_json
from tests.storage.s3_proxy import S3Proxy


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as server:
        yield server


def claim(output: str, step: str, objects: int) -> None:
    """Make the prefix of an unfinished step with some objects in a part's folder."""
    claim: dict[str, Any] = {"step": step, "algorithm_version": 1, "spec": {}, "inputs": {}}
    storage.write_json(storage.join(output, "step.json"), {**claim, "fingerprint": sha256_json(claim)})
    for number in range(objects):
        storage.write_bytes(storage.join(output, f"parts/{number:04}/pixels"), b"x")


def test_requests_depend_on_the_steps_and_not_on_the_objects(
    web: HTTPServer, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = S3Proxy(web, s3, page=10)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    asked = {}
    for objects in (1, 45):
        root = storage.join(bucket, f"with-{objects}")
        for output, step in (("query/a", "query"), ("build/b", "build"), ("build/c", "build")):
            claim(storage.join(root, output), step, objects)
        proxy.requests.clear()
        found = find_steps(root)
        asked[objects] = len(proxy.requests)
        assert [(item.step, item.output.removeprefix(f"{root}/")) for item in found] == [
            ("query", "query/a"),
            ("build", "build/b"),
            ("build", "build/c"),
        ]
    assert asked[1] == asked[45]
    assert not any("parts" in path for _, path in proxy.requests)


def test_a_root_that_is_itself_an_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim(str(tmp_path), "build", 3)
    assert _call(["status", str(tmp_path)]) == 0
    assert "unfinished" in capsys.readouterr().out


def test_what_lies_deeper_than_outputs_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim(str(tmp_path / "copies" / "of" / "mine"), "build", 1)
    assert find_steps(str(tmp_path)) == []
    claim(str(tmp_path / "build" / "b"), "build", 1)
    assert _call(["clean", str(tmp_path), "--all", "--yes"]) == 0
    assert "Removed 1 outputs" in capsys.readouterr().out
    assert (tmp_path / "copies" / "of" / "mine" / "step.json").exists()


def test_a_missing_bucket(s3: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(["status", "s3://no-such-bucket/root"]) == 3
    assert "NO_SUCH_BUCKET" in capsys.readouterr().err
