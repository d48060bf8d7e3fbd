"""Text from outside is shown by a terminal, and never obeyed: ids, titles, messages, addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earthenware import storage
from earthenware.cli._main import _call
from earthenware.doctor import Check, Verdict
from earthenware.embeddings import search
from earthenware.products import EMBEDDINGS_FILE, EmbeddingProduct
from earthenware.steps import sha256_json
from tests.kubeflow.stand_in_kfp import StandIn
from tests.kubeflow.submitting import TRAIN_POD, Command
from tests.tiny_chain import Chain

EVIL = "\x1b]0;x\x07\x9b2J\r"
SPELLED = "\\x1b]0;x\\x07\\x9b2J"


def harmless(capsys: pytest.CaptureFixture[str], times: int = 1) -> str:
    """Return what was said, having looked that it spells what was planted so often, and drives no terminal."""
    said = "".join(capsys.readouterr())
    assert said.count(SPELLED) >= times, said
    assert [one for one in said if not (one.isprintable() or one == "\n")] == []
    return said


def claim(folder: Path, **values: Any) -> Path:
    """Make an output of a query, as somebody else may have left it."""
    folder.mkdir(parents=True)
    known = {"step": "query", "spec": {}, "inputs": {}, "algorithm_version": 1, **values}
    (folder / "step.json").write_text(json.dumps({**known, "fingerprint": sha256_json(known)}))
    return folder


def test_status_verify_and_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "X", "message": f"it {EVIL} failed", "remedy": EVIL}
    (claim(tmp_path / f"one{EVIL}", step=f"query{EVIL}") / "error.json").write_text(json.dumps(error))
    (claim(tmp_path / f"two{EVIL}") / "manifest.json").write_text(json.dumps({"step": EVIL, "counts": {EVIL: 1}}))
    assert _call(["status", str(tmp_path)]) == 0
    harmless(capsys, 3)
    assert _call(["verify", str(tmp_path)]) == 3
    harmless(capsys)
    assert _call(["clean", str(tmp_path), "--yes"]) == 0
    harmless(capsys, 2)
    assert _call(["clean", str(tmp_path), "--step", EVIL]) == 2
    harmless(capsys)


def test_a_step_whose_place_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "items.json").write_text('{"type": "FeatureCollection", "features": []}')
    taken = claim(tmp_path / "taken", step=f"query{EVIL}", spec={EVIL: EVIL})
    given = ["query", "--set", f"catalog={tmp_path}/items.json", "--output", str(taken)]
    for extra in ([], ["--dry-run"]):
        assert _call([*given, *extra]) == 5
        harmless(capsys)


@pytest.mark.parametrize(
    "arguments", [[EVIL], ["status", EVIL], ["run", EVIL, "--spec", "x"], ["query", "--set", EVIL, "--output", "x"]]
)
def test_what_was_typed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(arguments) in (2, 3)
    harmless(capsys)


def test_search(chain: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pq.read_table(Path(chain.embeddings.output) / EMBEDDINGS_FILE)
    names = pa.array([f"{name}{EVIL}" for name in table["id"].to_pylist()])
    file = tmp_path / EMBEDDINGS_FILE
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", names), file)
    assert _call(["search", str(file), "--chip-id", names[0].as_py(), "-k", "3"]) == 0
    harmless(capsys, 4)
    assert _call(["search", str(file), "--chip-id", names[0].as_py()[:-3], "-k", "3"]) == 2
    harmless(capsys)
    assert _call(["search", str(file), "--chip-id", names[0].as_py(), "--json"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("lonlat", [("nan", "1"), ("1", "inf"), ("181", "1"), ("1", "91")])
def test_a_position_that_is_none_is_a_wrong_parameter(
    chain: Chain, lonlat: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(["search", chain.embeddings.output, "--lonlat", *lonlat]) == 2
    assert "Error [BAD_QUERY]" in capsys.readouterr().err


def test_the_file_of_a_product_is_searched(chain: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    file = storage.join(chain.embeddings.output, EMBEDDINGS_FILE)
    name = EmbeddingProduct.open(file).column("id")[0]
    assert _call(["search", file, "--chip-id", name, "-k", "2"]) == 0
    assert search(file, chip_id=name, k=2).neighbours[0].id in capsys.readouterr().out


def test_submit_and_watch(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with StandIn() as server:
        call = Command(server, tmp_path, capsys, monkeypatch)
        server.state.life = [
            {"state": "RUNNING", "steps": {"query": "SUCCEEDED"}},
            {"state": "FAILED", "error": f"it {EVIL} failed", "steps": {"query": "SUCCEEDED", "train": ("FAILED", 3)}},
        ]
        server.logs[TRAIN_POD] = f"a line\nError: {EVIL}\n"
        given = ["submit", "pretrain", "--spec", call.spec, "--host", server.url]
        _call([*given, "--watch", "--poll", "0.05"])
        harmless(capsys, 2)
        _call([*given, "--run-name", f"mine{EVIL}", "--dry-run"])
        harmless(capsys)
        server.fail("healthz", 400, json.dumps({"message": EVIL}))
        _call(given)
        harmless(capsys)


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("catalog", lambda: Verdict("failed", f"'{EVIL}' does not answer.", f"Ask {EVIL}."))]
    monkeypatch.setattr("earthenware.cli.doctor.plan", lambda _: checks)
    assert _call(["doctor"]) == 3
    harmless(capsys, 2)
    assert _call(["doctor", "--json"]) == 3
    text = capsys.readouterr().out
    assert json.loads(text)[0]["sentence"] == f"'{EVIL}' does not answer."
    assert text.isascii()
