"""``earthenware clean`` takes away what a step claimed, and nothing else; what is damaged blocks nobody."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from earthenware import storage
from earthenware.cli._main import _call
from earthenware.errors import EarthenwareError
from earthenware.graph import find_steps, newest
from earthenware.steps import Attempt, Result, StepReport, checksum, sha256_json
from earthenware.testing import run_small_step

Body = Callable[[Attempt], Result]


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root of a run."""
    return storage.join(request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path), "work")


def make(root: str, name: str, body: Body | None = None, **options: str) -> StepReport:
    """Run a small step into a folder of its name below the root."""

    def one_file(attempt: Attempt) -> Result:
        attempt.put("x.txt", f"{name} {options}".encode())
        return Result({"files": 1})

    inputs = {"chips": options.pop("chips")} if "chips" in options else None
    step, _, _ = name.partition("-")
    return run_small_step(step, storage.join(root, name), body or one_file, inputs=inputs, **options)


def fail(root: str, name: str) -> str:
    """Leave a failed output."""

    def broken(attempt: Attempt) -> Result:
        storage.write_bytes(attempt.uri(f"{attempt.part_path('a')}/pixels"), b"1")
        attempt.commit("a", {})
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        make(root, name, broken)
    return storage.join(root, name)


def cleaned(root: str, *options: str) -> None:
    assert _call(["clean", root, *options]) == 0


def left(root: str) -> list[str]:
    """Return the names of the outputs that are there."""
    return [storage.name(one.output) for one in find_steps(root)]


# ------------------------------------------------------------------------------------------------------ what is ours

FOREIGN = {
    "wizard": b'{"title":1}',
    "empty": b"{}",
    "list": b'[{"step": "build"}]',
    "null": b"null",
    "half": b'{"step": "build", "spec": {',
    "deep": b"[" * 100_000,
    "bytes": b"\xff\xfe\x00",
    "lacking": b'{"step": "build", "fingerprint": "1"}',
}


def test_what_no_step_claimed_is_left_alone(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FOREIGN.items():
        storage.write_bytes(storage.join(root, name, "step.json"), text)
        storage.write_bytes(storage.join(root, name, "thesis.docx"), b"x")
    before = set(storage.list_files(root))
    fail(root, "train")
    cleaned(root, "--all", "--yes")
    said = capsys.readouterr().out
    assert "Removed 1 outputs" in said
    for name in FOREIGN:
        assert said.count(f"{storage.join(root, name)} (its step.json is no step's claim") == 1
    assert set(storage.list_files(root)) == before


@pytest.mark.parametrize("where", ["", "w", "a/w"])
def test_wherever_it_lies(tmp_path: Path, where: str) -> None:
    folder = tmp_path / where
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "step.json").write_text('{"title":1}')
    fail(str(tmp_path), "train")
    cleaned(str(tmp_path), "--yes")
    assert (folder / "step.json").exists()
    assert not (tmp_path / "train").exists()


def test_a_link_to_the_claim_of_another_step_is_no_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = tmp_path / "elsewhere"
    make(str(real), "build")
    (tmp_path / "root" / "w").mkdir(parents=True)
    (tmp_path / "root" / "w" / "step.json").symlink_to(real / "build" / "step.json")
    (tmp_path / "root" / "w" / "thesis.docx").write_text("x")
    make(str(tmp_path / "root"), "embed")
    (tmp_path / "root" / "embed" / "link").symlink_to(real)
    cleaned(str(tmp_path / "root"), "--all", "--yes")
    assert (tmp_path / "root" / "w" / "thesis.docx").exists()
    assert not (tmp_path / "root" / "embed").exists()
    assert left(str(real)) == ["build"]
    assert "'clean' leaves it alone" in capsys.readouterr().out


def test_an_output_within_another_is_not_taken_along(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    chips = make(root, "build").output
    make(chips, "embed")
    cleaned(root, "--all", "--yes", "--step", "build")
    assert left(root) == ["build", "embed"]
    assert f"(it holds '{chips}/embed')" in capsys.readouterr().out
    cleaned(root, "--all", "--yes")
    assert left(root) == []


def test_nothing_of_an_output_stays(root: str) -> None:
    for name in ("build-1", "build-2"):
        fail(root, name)
    make(root, "train")
    if storage.is_local(root):  # left by a writer that was killed
        Path(root, "build-1", ".earthenware-0123456789abcdef.tmp").write_bytes(b"x")
    cleaned(root, "--yes")
    assert left(root) == ["train"]
    assert {path.split("/")[0] for path in storage.list_files(root)} == {"train"}
    assert not storage.is_local(root) or [path.name for path in Path(root).iterdir()] == ["train"]


# ------------------------------------------------------------------------------------------------------- who is alive


def test_what_a_live_run_reads_is_kept(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A merged store only refers to the parts of the builds: these are kept with it."""
    build = make(root, "build").output
    merge = make(root, "merge", chips=build).output
    make(root, "query")

    def body(attempt: Attempt) -> Result:
        cleaned(root, "--all", "--yes")
        return Result({})

    make(root, "embed", body, chips=merge)
    said = capsys.readouterr().out
    assert said.count("(a live run reads it)") == 2
    assert "(process " in said
    assert left(root) == ["build", "merge", "embed"]


def test_what_a_live_run_reads_one_file_of_is_kept(root: str) -> None:
    build = make(root, "build")

    def body(attempt: Attempt) -> Result:
        cleaned(root, "--all", "--yes")
        return Result({})

    make(root, "validate", body, chips=storage.join(build.output, "x.txt"))
    assert left(root) == ["build", "validate"]


def test_a_step_that_ends_while_the_question_waits_is_kept(
    root: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(root, "build")
    fail(root, "train")
    monkeypatch.setattr(click, "confirm", lambda *_, **__: make(root, "build"))
    cleaned(root)
    assert "since the question was asked" in capsys.readouterr().out
    assert left(root) == ["build"]
    assert newest(root, "build", pytest.fail) == storage.join(root, "build")


def test_a_step_that_is_resumed_while_the_question_waits_is_kept(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(root, "build")
    chips = make(root, "query").output
    working, done = threading.Event(), threading.Event()
    reports: list[StepReport] = []

    def body(attempt: Attempt) -> Result:
        working.set()
        assert done.wait(60)
        assert attempt.committed() == {"a": {}}
        return Result({})

    def resume() -> None:
        reports.append(make(root, "build", body))

    thread = threading.Thread(target=resume)

    def answer(*_: object, **__: object) -> bool:
        thread.start()
        return working.wait(60)

    monkeypatch.setattr(click, "confirm", answer)
    cleaned(root, "--all")
    done.set()
    thread.join()
    assert [report.reused for report in reports] == [False]
    assert storage.is_empty(chips)
    assert left(root) == ["build"]


# ---------------------------------------------------------------------------------------------------- what is damaged


def test_a_damaged_document_hides_no_other_output(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    storage.write_bytes(storage.join(root, "embed-0", "step.json"), b"[]")
    kinds = {"embed-1": b"[" * 100_000, "embed-3": b'{"schema_version": 99}', "embed-4": b"[]"}
    for name, text in kinds.items():
        storage.write_bytes(storage.join(make(root, name, content=name).output, "manifest.json"), text)
    path = make(root, "embed-5", content="5").output
    values = {**storage.read_json(storage.join(path, "manifest.json")), "seconds": {}}
    storage.write_json(storage.join(path, "manifest.json"), {**values, "checksum": checksum(values)})
    path = make(root, "embed-6", content="6").output
    text = storage.read_bytes(storage.join(path, "manifest.json")).replace(b'"total": 0', b'"total": 1e999')
    storage.write_bytes(storage.join(path, "manifest.json"), text)
    path = fail(root, "train")
    for name in ("error.json", "lease.json"):
        storage.write_bytes(storage.join(path, name), b'["deep", "and", "wrong"]')
    good = make(root, "embed-7", content="7").output
    assert _call(["status", root]) == 0
    said = capsys.readouterr().out
    found = {storage.name(one.output): one.state for one in find_steps(root)}
    assert found == {
        "embed-0": "unknown",
        **dict.fromkeys([*kinds, "embed-6"], "damaged"),
        "embed-5": "done",
        "embed-7": "done",
        "train": "unfinished",
    }
    assert said.count("\n") == 2 * len(found), "one sentence for each"
    told: list[str] = []
    assert newest(root, "embed", told.append) == good
    assert [message.partition("'")[2].partition("'")[0].rpartition("/")[2] for message in told] == [
        "embed-1",
        "embed-3",
        "embed-4",
        "embed-6",
        "embed-0",
    ]
    assert _call(["search", root, "--chip-id", "a"]) == 3
    assert capsys.readouterr().err.count("warning: ") == len(told)
    cleaned(root, "--yes")
    assert left(root) == ["embed-1", "embed-3", "embed-4", "embed-5", "embed-6", "embed-7", "embed-0"]
    cleaned(root, "--yes", "--all")
    assert left(root) == ["embed-0"]


def test_what_is_no_file_where_a_claim_should_be(tmp_path: Path) -> None:
    for name in ("folder", "pipe", "loop"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "step.json").mkdir()
    os.mkfifo(tmp_path / "pipe" / "step.json")
    (tmp_path / "loop" / "step.json").symlink_to(tmp_path / "loop" / "step.json")
    make(str(tmp_path), "embed")
    assert {storage.name(one.output): one.state for one in find_steps(str(tmp_path))}["embed"] == "done"
    cleaned(str(tmp_path), "--all", "--yes")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "loop", "pipe"]


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_manifest_is_not_waited_for(tmp_path: Path) -> None:
    output = Path(make(str(tmp_path), "embed").output)
    (output / "manifest.json").unlink()
    os.mkfifo(output / "manifest.json")
    (found,) = find_steps(str(tmp_path))
    assert (found.state, found.note.partition("': ")[2]) == ("damaged", "it is not a regular file.")
    with pytest.raises(EarthenwareError, match="not a regular file"):
        make(str(tmp_path), "embed")
    assert _call(["verify", str(tmp_path)]) == 3
    cleaned(str(tmp_path), "--all", "--yes")
    assert not left(str(tmp_path))


def test_a_root_that_is_a_file_of_the_product_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That nobody finds it is another error than that a file is no root; the name does not drive the terminal."""
    assert _call(["search", f"{tmp_path}/\x1b]0;owned\x07.parquet", "--chip-id", "a"]) == 3
    said = capsys.readouterr().err
    assert "NO_PRODUCT" in said
    assert "\\x1b]0;owned\\x07" in said


def test_text_from_outside_does_not_drive_the_terminal(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = fail(root, "train")
    evil = "\x1b[2J\x9b\u202e"
    claim = {"step": f"train{evil}", "algorithm_version": 1, "spec": {}, "inputs": {}}
    storage.write_json(storage.join(path, "error.json"), {"code": "X", "message": f"{evil}\nand more"})
    storage.write_json(storage.join(path, "step.json"), {**claim, "fingerprint": sha256_json(claim)})
    assert _call(["status", root]) == 0
    cleaned(root, "--yes")
    said = capsys.readouterr().out
    assert said.count("\\x1b[2J\\x9b\\u202e") == 3
    assert "and more" in said
    assert all(one.isprintable() or one == "\n" for one in said)
