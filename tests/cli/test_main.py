"""The command line as a person meets it: help, errors, exit codes, specs."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from earthenware import __version__
from earthenware.cli._main import _COMMANDS, _call
from earthenware.errors import EXIT_CODES
from earthenware.graph import PIPELINES, STEPS, arguments, load_spec
from earthenware.steps import sha256_json

COMMANDS = [*_COMMANDS, *STEPS]


def flatten(spec):
    return arguments(PIPELINES["pretrain"], spec)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = _call(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"earthenware {__version__}\n", "")


def test_no_arguments_print_help_that_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    text = out + err
    assert code == 2
    for command in COMMANDS:
        assert command in text
    assert "earthenware run pretrain --spec" in text
    for exit_code in EXIT_CODES:
        assert f"{exit_code}  " in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Usage: earthenware" in out
    assert len(out) > 150
    assert "\\b" not in out, "a raw docstring shows click's mark as two characters"


def test_step_help_lists_the_fields_with_units(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "query", "--help")
    assert "max_cloud = " in out
    assert "%" in out or "percent" in out


def test_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "trian")
    assert code == 2
    assert "Did you mean 'train'?" in err


def test_wrong_field_is_one_line_with_field_value_and_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("query:\n  catalog: items.json\ntrain:\n  epochs: none\n  epoch: 3\n")
    code, _, err = run(capsys, "run", "pretrain", "--spec", str(spec))
    assert code == 2
    first = err.splitlines()[0]
    assert 'train.epochs = "none"' in first
    assert "valid integer" in first
    assert "train.epoch is not a known field (known: " in first
    assert "epochs, batch_size" in first


def test_missing_spec_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "run", "pretrain", "--spec", "absent.yaml")
    assert code == 2
    assert "There is no spec file 'absent.yaml'" in err


def test_unknown_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "run", "pretain", "--spec", str(tmp_path / "x.yaml"))
    assert code == 2
    assert "There is no pipeline 'pretain'" in err


def test_init_writes_a_spec_that_loads_and_that_its_schema_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sub" / "mine.yaml"
    code, out, _ = run(
        capsys,
        "init",
        str(file),
        "--catalog",
        "items.json",
        "--bbox",
        "5,49,6,50",
        "--datetime",
        "2022-04-01/2022-10-31",
    )
    assert code == 0
    assert "earthenware run pretrain --spec" in out
    values = yaml.safe_load(file.read_text())
    schema = json.loads((tmp_path / "sub" / "mine.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(json.loads(json.dumps(values, default=str)))) == []
    assert list(Draft202012Validator(schema).iter_errors({**values, "misspelt": 1}))
    assert flatten(load_spec("pretrain", str(file)))["query_catalog"] == "items.json"
    defaults = flatten(load_spec("pretrain", None, ("query.catalog=items.json",)))
    written = flatten(load_spec("pretrain", str(file)))
    assert {key for key in written if written[key] != defaults[key]} == {"query_bbox", "query_datetime"}
    comments = sum(line.strip().startswith("#") for line in file.read_text().splitlines())
    assert comments >= len(written)


def test_init_does_not_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    assert run(capsys, "init", str(file))[0] == 2
    assert file.read_text() == "mine"


def test_set_overrides_a_field() -> None:
    spec = load_spec("pretrain", None, ("query.catalog=items.json", "train.epochs=3", "query.datetime=2020-01-01/.."))
    assert flatten(spec)["train_epochs"] == 3
    assert flatten(spec)["query_datetime"] == "2020-01-01/.."


def test_dry_run_of_a_pipeline_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.yaml"
    (tmp_path / "items.json").write_text('{"type": "FeatureCollection", "features": []}')
    spec.write_text(f"root: {tmp_path}/run\nquery: {{catalog: {tmp_path}/items.json}}\n")
    code, out, _ = run(capsys, "run", "pretrain", "--spec", str(spec), "--dry-run")
    assert code == 0
    assert "query would run into" in out
    assert "train would run after" in out
    assert not (tmp_path / "run").exists()


def test_status_and_clean_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "status", str(tmp_path / "absent"))[0] == 3
    assert "no step's output" in run(capsys, "status", str(tmp_path))[1]
    assert "nothing to remove" in run(capsys, "clean", str(tmp_path), "--yes")[1]


@pytest.mark.parametrize(
    "text", ["{}", "[]", "not JSON", '{"title": "onboarding"}', '{"step": "query", "fingerprint": "x"}']
)
def test_a_file_of_the_same_name_is_no_claim(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "wizard"
    folder.mkdir()
    (folder / "step.json").write_text(text)
    (folder / "thesis.txt").write_text("mine")
    assert "no step's output" in run(capsys, "status", str(tmp_path))[1]
    assert "nothing to remove" in run(capsys, "clean", "--all", "--yes", str(tmp_path))[1]
    assert (folder / "thesis.txt").read_text() == "mine"


def test_clean_removes_only_what_a_step_claimed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    output = tmp_path / "query" / "abc"
    output.mkdir(parents=True)
    claim: dict[str, Any] = {"step": "query", "algorithm_version": 1, "spec": {}, "inputs": {}}
    (output / "step.json").write_text(json.dumps({**claim, "fingerprint": sha256_json(claim)}))
    code, out, _ = run(capsys, "status", str(tmp_path))
    assert code == 0
    assert "unfinished" in out
    assert run(capsys, "clean", str(tmp_path), "--yes")[0] == 0
    assert not output.exists()
    assert mine.read_text() == "mine"


def test_errors_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_ERRORS", "json")
    code, _, err = run(capsys, "run", "nothing", "--spec", "x")
    assert code == 2
    assert json.loads(err)["code"] == "UNKNOWN_PIPELINE"


def test_search_wants_one_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "search", str(tmp_path))
    assert code == 2
    assert "--chip-id or --lonlat" in err


@pytest.mark.parametrize(("address", "expected"), [("s3://", 2), ("", 2), ("ftp://host/x", 2)])
def test_a_wrong_address_is_a_wrong_parameter(address: str, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = run(capsys, "status", address)
    assert code == expected


def test_help_is_quick_because_commands_load_late() -> None:
    script = (
        "import sys; from earthenware.cli._main import _call; _call(['--help']);"
        "print([name for name in ('torch', 'ray', 'kfp', 'mlflow', 'great_expectations') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_root_that_cannot_be_written_is_an_error_of_storage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spec.yaml").write_text("query: {catalog: items.json}")
    (tmp_path / "file").touch()

    def attempt(root: Path) -> str:
        code, _, err = run(capsys, "run", "pretrain", "--spec", str(tmp_path / "spec.yaml"), "--set", f"root={root}")
        assert code == 3
        assert err.startswith(f"Error [STORAGE_FAILED] Could not write '{root}/runs/")
        return err

    assert "Not a directory" in attempt(tmp_path / "file" / "root")

    def read_only(path: str, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "mkdir", read_only)
    assert "Read-only file system" in attempt(tmp_path / "root")
