"""Each failure of each command ends with the exit code of the table, one ``Error`` line, and no traceback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from earthenware.cli._main import _call
from earthenware.errors import CODES, KINDS
from earthenware.steps import sha256_json

LONG = "a" * 300
FAILURES: list[tuple[str, str]] = [
    # (arguments, code); a "/" stands for a file in the place of a folder, "^" for a place where none can be made.
    ("nosuch", "BAD_OPTION"),
    ("--nosuch", "BAD_OPTION"),
    ("status", "BAD_OPTION"),
    ("status . --nosuch", "BAD_OPTION"),
    ("train --chips folder", "BAD_OPTION"),
    ("search folder", "BAD_OPTION"),
    ("search folder --lonlat 1", "BAD_OPTION"),
    ("search folder --chip-id x -k 0", "BAD_OPTION"),
    ("clean folder --step nosuch", "BAD_OPTION"),
    ("compile", "BAD_OPTION"),
    ("compile pretrain --namespace x", "BAD_OPTION"),
    ("init --pipeline nosuch new.yaml", "BAD_OPTION"),
    ("init spec.yaml", "BAD_OPTION"),
    ("run pretrain", "BAD_OPTION"),
    ("run pretrain --spec spec.yaml --image x:1", "BAD_OPTION"),
    ("submit pretrain --host http://127.0.0.1:9", "BAD_OPTION"),
    ("submit pretrain --attach x --host nonsense", "BAD_OPTION"),
    ("submit pretrain --attach x --host http://127.0.0.1:9 --token-file absent", "BAD_OPTION"),
    ("run nosuch --spec spec.yaml", "UNKNOWN_PIPELINE"),
    ("run pretrain --spec absent.yaml", "NO_SPEC"),
    ("run pretrain --spec file/x", "NO_SPEC"),
    ("run pretrain --spec bad.yaml", "BAD_YAML"),
    ("run pretrain --spec spec.yaml --set train.epochs", "BAD_SET"),
    ("run pretrain --spec spec.yaml --set train.epochs=x", "BAD_SPEC"),
    ("build --scenes folder --output new --set workers=x", "BAD_SPEC"),
    ("sandbox new --set places=x", "BAD_SPEC"),
    ("compile pretrain --profile nosuch", "UNKNOWN_PROFILE"),
    ("compile pretrain --profile file/x", "UNKNOWN_PROFILE"),
    ("compile pretrain --profile bad.yaml", "BAD_PROFILE"),
    ("status s3://", "BAD_URI"),
    ("query --set catalog=items.json --output http://x/y", "READ_ONLY"),
    ("status https://example.org/x", "NOT_LISTABLE"),
    ("run pretrain --spec folder", "STORAGE_FAILED"),
    ("run pretrain --spec spec.yaml --runs file/x", "STORAGE_FAILED"),
    ("run pretrain --spec spec.yaml --runs ^", "STORAGE_FAILED"),
    ("run pretrain --spec spec.yaml --set root=file/x", "STORAGE_FAILED"),
    ("run pretrain --spec spec.yaml --set root=^", "STORAGE_FAILED"),
    (f"status {LONG}", "STORAGE_FAILED"),
    (f"search {LONG} --lonlat 1 1", "STORAGE_FAILED"),
    ("init file/x.yaml", "STORAGE_FAILED"),
    ("init ^/x.yaml", "STORAGE_FAILED"),
    (f"init {LONG}", "STORAGE_FAILED"),
    ("compile pretrain -o file/x.yaml", "STORAGE_FAILED"),
    ("compile pretrain -o ^/x.yaml", "STORAGE_FAILED"),
    ("sandbox file/x --set places=1", "STORAGE_FAILED"),
    ("sandbox ^ --set places=1", "STORAGE_FAILED"),
    ("query --set catalog=items.json --output file/x", "STORAGE_FAILED"),
    ("query --set catalog=items.json --output ^", "STORAGE_FAILED"),
    (f"query --set catalog=items.json --output {LONG}", "STORAGE_FAILED"),
    ("status absent", "NO_ROOT"),
    ("status file", "NO_ROOT"),
    ("status loop", "NO_ROOT"),
    ("clean absent", "NO_ROOT"),
    ("verify absent", "NO_ROOT"),
    ("search absent --lonlat 1 1", "NO_ROOT"),
    ("search folder --lonlat 1 1", "NO_PRODUCT"),
    ("search absent.parquet --lonlat 1 1", "NO_PRODUCT"),
    ("search bad.parquet --lonlat 1 1", "NOT_PARQUET"),
    ("gate --validation folder", "NOT_FINISHED"),
    ("merge --stores folder --output new", "NO_INPUT"),
    ("build --scenes folder --output new", "NO_INPUT"),
    ("train --chips folder --output new --set workers=1", "NO_INPUT"),
    ("validate --chips folder --output new", "NOT_A_CHIP_STORE"),
    ("query --set catalog=absent.json --output new", "CATALOG_UNREACHABLE"),
    ("query --set catalog=bad.yaml --output new", "NOT_JSON"),
    ("query --set catalog=items.json --output new", "EMPTY_SEARCH"),
    (
        "query --set catalog=http://127.0.0.1:9/stac --set bbox=1,2,3,4 --set datetime=2021 --output new",
        "CATALOG_UNREACHABLE",
    ),
    ("submit pretrain --attach x --host http://127.0.0.1:9", "KFP_UNREACHABLE"),
    ("query --set catalog=items.json --output other", "OUTPUT_OCCUPIED"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("KFP_HOST", "KFP_TOKEN", "KFP_COOKIE", "EARTHENWARE_DEBUG", "EARTHENWARE_ERRORS"):
        monkeypatch.delenv(name, raising=False)
    Path("folder").mkdir()
    Path("other").mkdir()
    Path("other/mine.txt").write_text("mine")
    Path("file").write_text("no folder")
    Path("loop").symlink_to("loop")
    Path("bad.yaml").write_text("junk: [")
    Path("bad.parquet").write_text("no table")
    Path("items.json").write_text('{"type": "FeatureCollection", "features": []}')
    Path("spec.yaml").write_text("query: {catalog: items.json}\ntrain: {workers: 1}\n")
    return tmp_path


def claim() -> None:
    """Let a query have begun in the folder."""
    known = {"step": "query", "spec": {}, "inputs": {}, "algorithm_version": 1}
    Path("folder/step.json").write_text(json.dumps({**known, "fingerprint": sha256_json(known)}))


def words(arguments: str) -> list[str]:
    # In /proc nobody makes a folder, root neither.
    return [word.replace("^", "/proc/earthenware") for word in arguments.split()]


@pytest.mark.parametrize(("arguments", "code"), FAILURES, ids=[one[:70] for one, _ in FAILURES])
def test_each_failure_is_one_error_of_the_table(
    arguments: str, code: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code = _call(words(arguments))
    said = capsys.readouterr().err.splitlines()
    errors = [line for line in said if line.startswith("Error")]
    assert len(errors) == 1, said
    assert errors[0].startswith(f"Error [{code}] ")
    assert exit_code == KINDS[CODES[code].kind].exit_code
    assert not any("Traceback" in line or "please report" in line.lower() for line in said)


@pytest.mark.parametrize("arguments", ["nosuch", "status absent", f"status {LONG}"])
def test_each_error_may_be_had_as_json(
    arguments: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHENWARE_ERRORS", "json")
    code = _call(words(arguments))
    error = json.loads(capsys.readouterr().err)
    assert KINDS[CODES[error["code"]].kind].exit_code == code


def test_what_nobody_foresaw_asks_for_a_report(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("what\x1b]0;x\x07 now")

    monkeypatch.setattr("earthenware.cli.store.find_steps", fail)
    assert _call(["status", "folder"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error [INTERNAL] Unexpected TypeError: what\\x1b]0;x\\x07 now.\n")
    assert "EARTHENWARE_DEBUG=1" in said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "Permission denied", "/srv/x"), "STORAGE_DENIED"),
        (OSError(30, "Read-only file system", "/mnt/x"), "STORAGE_FAILED"),
        (OSError(28, "No space left on device"), "STORAGE_FULL"),
        (OSError(5, "Input/output error"), "STORAGE_FAILED"),
        (ConnectionRefusedError(111, "Connection refused"), "UNREACHABLE"),
    ],
)
def test_what_the_system_refuses_is_no_mistake_of_ours(
    error: OSError, code: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("earthenware.cli.store.find_steps", fail)
    assert _call(["status", "folder"]) == 3
    assert capsys.readouterr().err.startswith(f"Error [{code}] ")


def test_a_broken_pipe_within_the_work_is_no_success(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("earthenware.cli.store.find_steps", fail)
    assert _call(["status", "folder"]) == 3


@pytest.mark.parametrize(("answer", "code"), [("n\n", 0), ("", 2)])
def test_a_question_that_nobody_agrees_to_removes_nothing(answer: str, code: int, here: Path) -> None:
    claim()
    done = command("clean", "folder", stdin=answer)
    assert done.returncode == code, done.stderr
    assert Path("folder/step.json").exists()
    assert "Nothing was removed." in done.stdout if code == 0 else "Give --yes." in done.stderr


def command(*arguments: str, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "earthenware", *arguments]
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(whole, input=stdin, text=True, timeout=300, check=False, **given)


@pytest.mark.parametrize("arguments", [["--help"], ["status", "."], ["compile", "--profile-schema"]])
def test_a_reader_that_has_had_enough_is_no_failure(arguments: list[str], here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = command(*arguments, stdout=closed)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_is_gone_changes_neither_work_nor_exit_code(here: Path) -> None:
    claim()
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        assert command("verify", "folder", stdout=closed).returncode == 0
        assert command("run", "pretrain", "--spec", "spec.yaml", "--dry-run", stdout=closed).returncode == 0
        assert command("clean", "folder", "--yes", stdout=closed).returncode == 0
    assert not Path("folder").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["status", "."]])
def test_an_output_that_is_full_is_a_failure(arguments: list[str], here: Path) -> None:
    with open("/dev/full", "w") as full:
        done = command(*arguments, stdout=full)
    assert done.returncode == 3
    assert done.stderr.startswith("Error [STORAGE_FULL] No space left to write 'the output'.")
    assert done.stderr.count("\n") == 2


def test_an_error_that_nobody_can_read_keeps_its_exit_code(here: Path) -> None:
    with open("/dev/full", "w") as full:
        assert command("nosuch", stderr=full).returncode == 2
        assert command("status", "absent", stderr=full).returncode == 3


def test_a_name_that_the_terminal_cannot_show_is_spelled(here: Path) -> None:
    folder = Path("d\N{SNOWMAN}")
    folder.mkdir()
    done = command("status", str(folder), env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0
    assert "d\\u2603" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_step_with_its_own_code(number: int, code: int, here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        catalog = f"catalog=http://127.0.0.1:{silent.getsockname()[1]}/stac"
        given = [part for one in (catalog, "bbox=1,2,3,4", "datetime=2021") for part in ("--set", one)]
        process = subprocess.Popen(
            [sys.executable, "-m", "earthenware", "query", *given, "--output", "new"], stderr=subprocess.PIPE, text=True
        )
        try:
            connection, _ = silent.accept()  # from now on it waits for an answer
            process.send_signal(number)
            _, said = process.communicate(timeout=120)
            connection.close()
        finally:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in said
