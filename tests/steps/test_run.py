"""What running a step promises: reuse, refusal, damage, rejects, errors, manifest last."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace as with_values
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import (
    Attempt,
    DryRun,
    Reject,
    Result,
    Spec,
    StepReport,
    artifact,
    dry_run,
    read_artifact,
    read_manifest,
    run_step,
)

from .step_program import PartsSpec, run


class OtherSpec(Spec):
    epochs: int = Field(1, description="passes")
    name: str = Field("a", description="a name")
    workers: int = Field(1, description="processes", json_schema_extra={"runtime": True})


def _write_one(attempt: Attempt) -> Result:
    attempt.put("x.txt", b"data")
    return Result({"files": 1})


def _run(
    output: str,
    body: Callable[[Attempt], Result] = _write_one,
    *,
    step: str = "other",
    version: int = 1,
    inputs: dict[str, Any] | None = None,
    **fields: Any,
) -> StepReport:
    return run_step(step, version, spec=OtherSpec(**fields), inputs=inputs or {}, output=output, body=body)


def _snapshot(output: str) -> dict[str, Any]:
    if storage.is_local(output):
        root = Path(output)
        return {path: (root / path).stat().st_mtime_ns for path in storage.list_files(output)}
    return {path: storage.read_versioned(storage.join(output, path)) for path in storage.list_files(output)}


def _never(_: Attempt) -> Result:
    raise AssertionError("there was nothing to do")


def test_the_same_again_is_reused_and_rewrites_nothing(output: str) -> None:
    first = run(output)
    before = _snapshot(output)
    again = run(output, PartsSpec(workers=4))
    assert not first.reused
    assert again.reused
    assert again.manifest == first.manifest == read_manifest(output)
    assert _snapshot(output) == before
    assert "lease.json" not in before
    assert "error.json" not in before


def test_the_output_of_a_fingerprint_has_its_own_place(output: str) -> None:
    root = storage.join(storage.parent(output), "{fingerprint}")
    first, second = _run(root), _run(root, epochs=2)
    assert first.output != second.output
    assert storage.name(first.output) == first.manifest.fingerprint[:12]
    assert _run(root, _never).reused


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"epochs": 2}, "epochs is 1 there and 2 here"),
        ({"epochs": 2, "name": "b"}, 'name is "a" there and "b" here'),
        ({"version": 2}, "the algorithm's version is 1 there and 2 here"),
        ({"step": "third"}, "another step ('other')"),
    ],
)
def test_another_question_is_refused_and_says_what_differs(output: str, change: dict[str, Any], part: str) -> None:
    _run(output)
    before = _snapshot(output)
    with pytest.raises(EarthenwareError) as caught:
        _run(output, _never, **change)
    assert caught.value.code == "OUTPUT_HOLDS_OTHER"
    assert part in caught.value.message
    assert _snapshot(output) == before


def test_a_changed_input_is_refused_by_name(output: str, tmp_path: Path) -> None:
    scenes, labels = tmp_path / "scenes", tmp_path / "labels"
    scenes.write_text("one")
    labels.write_text("same")
    inputs = {"scenes": str(scenes), "labels": [str(labels)]}
    _run(output, inputs=inputs)
    assert _run(output, _never, inputs=inputs).reused
    moved = tmp_path / "moved"
    moved.write_text("one")
    assert _run(output, _never, inputs={**inputs, "scenes": str(moved)}).reused, "content counts, not the place"
    scenes.write_text("two")
    with pytest.raises(EarthenwareError, match="the input 'scenes' is another") as caught:
        _run(output, _never, inputs=inputs)
    assert "labels" not in caught.value.message


def test_an_earlier_step_is_an_input_by_its_digest(output: str) -> None:
    first = _run(storage.join(output, "first"))
    seen = []

    def body(attempt: Attempt) -> Result:
        seen.append(attempt.input("chips"))
        return Result({})

    second = storage.join(output, "second")
    report = _run(second, body, inputs={"chips": first.output})
    assert seen == [first.manifest]
    assert report.manifest.inputs["chips"][0].digest == first.manifest.digest
    assert _run(second, _never, inputs={"chips": storage.join(first.output, "manifest.json")}).reused


def test_missing_and_unfinished_inputs_are_named(output: str) -> None:
    with pytest.raises(EarthenwareError, match="Input 'chips': there is nothing at") as caught:
        _run(output, _never, inputs={"chips": storage.join(output, "absent")})
    assert caught.value.code == "NO_INPUT"
    with pytest.raises(ZeroDivisionError):
        _run(storage.join(output, "first"), lambda _: Result({"x": 1 // 0}))
    with pytest.raises(EarthenwareError, match=r"Input 'chips': .*holds no finished step") as caught:
        _run(storage.join(output, "second"), _never, inputs={"chips": storage.join(output, "first")})
    assert caught.value.code == "NOT_FINISHED"
    assert storage.is_empty(storage.join(output, "second"))


@pytest.mark.parametrize("name", ["notes.txt", "step.json", "deep/er/x", "parts/a.json"])
@pytest.mark.parametrize("data", [b"precious", b'{"step": "precious"}', b"[1]"])
def test_foreign_files_are_left_alone(output: str, name: str, data: bytes) -> None:
    storage.write_bytes(storage.join(output, name), data)
    with pytest.raises(EarthenwareError) as caught:
        _run(output, _never)
    assert caught.value.code == "OUTPUT_OCCUPIED"
    assert list(storage.list_files(output)) == [name]
    assert storage.read_bytes(storage.join(output, name)) == data


def test_an_output_that_is_a_file_or_below_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(EarthenwareError, match="is a file") as caught:
        _run(str(tmp_path / "file"), _never)
    assert caught.value.code == "OUTPUT_OCCUPIED"
    with pytest.raises(EarthenwareError) as caught:
        _run(str(tmp_path / "file" / "below"), _never)
    assert caught.value.code == "STORAGE_FAILED"
    assert (tmp_path / "file").read_bytes() == b"precious"


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    for uri, code in (("https://127.0.0.1:9/x", "READ_ONLY"), ("gs://b/x", "UNKNOWN_SCHEME"), ("s3://", "BAD_URI")):
        with pytest.raises(EarthenwareError) as caught:
            _run(uri, _never)
        assert caught.value.code == code


def test_a_bucket_that_does_not_exist(s3: str) -> None:
    with pytest.raises(EarthenwareError) as caught:
        _run("s3://no-such-bucket/x", _never)
    assert caught.value.code == "NO_SUCH_BUCKET"


def test_a_whole_bucket_can_be_an_output(bucket: str) -> None:
    assert not _run(bucket).reused
    assert _run(bucket, _never).reused


@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_result_gets_its_own_name_again_when_that_is_damaged(output: str, damage: str) -> None:
    _run(output)
    uri = storage.join(output, "x.txt")
    whole = storage.read_bytes(uri)
    if damage == "remove":
        storage.delete_file(uri)
    else:
        storage.write_bytes(uri, b"d")
    assert read_artifact(output, "x.txt") == whole
    assert _run(output, _never).reused
    assert storage.read_bytes(uri) == whole


@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_damaged_output_is_neither_reused_nor_mended_in_silence(output: str, damage: str) -> None:
    _run(output)
    uri = artifact(output, "x.txt")
    if damage == "remove":
        storage.delete_file(uri)
    else:
        storage.write_bytes(uri, b"d")
    with pytest.raises(EarthenwareError, match=r"x\.txt' is missing or truncated") as caught:
        _run(output, _never)
    assert caught.value.code == "OUTPUT_DAMAGED"
    storage.delete_prefix(output)
    assert not _run(output).reused


def test_damaged_manifests(output: str) -> None:
    _run(output)
    uri = storage.join(output, "manifest.json")
    values = storage.read_json(uri)
    for text, code in (
        (b"{", "NOT_JSON"),
        (b"{}", "BAD_MANIFEST"),
        (json.dumps({**values, "schema_version": 99}).encode(), "BAD_MANIFEST"),
        (json.dumps({**values, "counts": "many"}).encode(), "BAD_MANIFEST"),
    ):
        storage.write_bytes(uri, text)
        with pytest.raises(EarthenwareError) as caught:
            _run(output, _never)
        assert caught.value.code == code
        assert "manifest.json" in caught.value.message


def test_a_changed_manifest_is_refused(output: str) -> None:
    _run(output)
    uri = storage.join(output, "manifest.json")
    values = storage.read_json(uri)
    for change in ({"counts": {"n": 7}}, {"checksum": ""}, {"details": {"n": float("inf")}}):
        storage.write_bytes(uri, json.dumps({**values, **change}).encode())
        with pytest.raises(EarthenwareError, match=r"manifest\.json' is not what its step wrote") as caught:
            read_manifest(output)
        assert caught.value.code == "BAD_MANIFEST"
        assert caught.value.remedy


def test_a_changed_claim_is_none(output: str) -> None:
    _run(output)
    uri = storage.join(output, "step.json")
    storage.write_json(uri, {**storage.read_json(uri), "spec": {"n": 7}})
    with pytest.raises(EarthenwareError) as caught:
        _run(output)
    assert caught.value.code == "OUTPUT_OCCUPIED"


def test_a_changed_record_of_a_part_is_not_gone_on_from(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        if not attempt.committed():
            attempt.commit("a", {"chips": 3})
        raise EarthenwareError("NO_CATALOG", "The catalog cannot be reached.")

    def fails() -> str:
        with pytest.raises(EarthenwareError) as caught:
            _run(output, body)
        return caught.value.code

    assert (fails(), fails()) == ("NO_CATALOG", "NO_CATALOG")
    uri = storage.join(output, "parts/a.json")
    storage.write_json(uri, {**storage.read_json(uri), "payload": {"chips": 4}})
    assert fails() == "OUTPUT_DAMAGED"


def test_error_json_says_what_went_wrong_until_it_goes_well(output: str) -> None:
    def fail(_: Attempt) -> Result:
        raise EarthenwareError("NO_CATALOG", "The catalog cannot be reached.", "Check the address.")

    uri = storage.join(output, "error.json")
    with pytest.raises(EarthenwareError):
        _run(output, fail)
    assert storage.read_json(uri) == {
        "code": "NO_CATALOG",
        "message": "The catalog cannot be reached.",
        "remedy": "Check the address.",
    }
    assert not storage.exists(storage.join(output, "manifest.json"))
    assert not storage.exists(storage.join(output, "lease.json"))
    assert not _run(output).reused
    assert not storage.exists(uri)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("line one\nline two"), "INTERNAL"),
        (KeyboardInterrupt(), "INTERRUPTED"),
        (SystemExit(143), "INTERRUPTED"),
    ],
)
def test_other_errors_are_described_in_one_line(output: str, error: BaseException, code: str) -> None:
    def fail(_: Attempt) -> Result:
        raise error

    with pytest.raises(type(error)):
        _run(output, fail)
    described = storage.read_json(storage.join(output, "error.json"))
    assert described["code"] == code
    assert "\n" not in described["message"]
    assert storage.read_json(storage.join(output, "step.json"))["step"] == "other"
    assert not storage.exists(storage.join(output, "lease.json"))


def test_an_internal_error_does_not_show_a_signature(output: str) -> None:
    def fail(_: Attempt) -> Result:
        raise ValueError("cannot read https://user:hunter2@host/x.tif?sig=hunter2")

    with pytest.raises(ValueError, match="cannot read"):
        _run(output, fail)
    assert "hunter2" not in storage.read_bytes(storage.join(output, "error.json")).decode()


def test_a_crash_before_the_manifest_leaves_an_unfinished_step(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = storage.write_json

    def crash(uri: str, value: Any, **options: bool) -> None:
        if uri.endswith("manifest.json"):
            others = {path.rpartition("/")[2] for path in storage.list_files(output)}
            assert {"x.txt", "rejects.parquet", "step.json", "lease.json"} <= others, "the manifest comes last"
            raise SystemExit(9)
        write(uri, value, **options)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_json", crash)
        with pytest.raises(SystemExit):
            _run(output)
    with pytest.raises(EarthenwareError) as caught:
        read_manifest(output)
    assert caught.value.code == "NOT_FINISHED"
    assert not _run(output).reused


def test_rejects_are_kept_sorted_counted_and_limited(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        attempt.commit("a", {}, [Reject("s3", "NO_CRS", "It has no CRS."), Reject("s1", "MISSING_ASSET", "No B02.")])
        attempt.reject("s2", "NO_CRS", "It has no CRS.")
        attempt.check_rejects(10, 0.3)
        with pytest.raises(EarthenwareError) as caught:
            attempt.check_rejects(10, 0.2)
        assert caught.value.code == "TOO_MANY_REJECTS"
        assert caught.value.message == (
            "3 of 10 records were rejected, more than the limit of 0.2; 2 for NO_CRS, such as s2: It has no CRS."
        )
        return Result({})

    report = _run(output, body)
    assert report.manifest.rejects == {"MISSING_ASSET": 1, "NO_CRS": 2}
    table = storage.read_table(storage.join(output, "rejects.parquet"))
    assert table.column_names == ["record", "reason", "message"]
    assert table["record"].to_pylist() == ["s1", "s2", "s3"]


def test_too_many_rejects_fail_the_step_and_keep_its_parts(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        if not attempt.committed():
            attempt.commit("a", {"n": 1}, [Reject(f"s{number}", "BAD", "bad") for number in range(5)])
        attempt.check_rejects(10, limit)
        return Result({"n": attempt.committed()["a"]["n"]})

    limit = 0.2
    with pytest.raises(EarthenwareError):
        _run(output, body)
    assert storage.read_json(storage.join(output, "error.json"))["code"] == "TOO_MANY_REJECTS"
    limit = 0.5
    assert _run(output, body).manifest.rejects == {"BAD": 5}


def test_results_of_numpy_and_numbers_that_are_none(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        details = {"rows": np.arange(2), "x": float("nan"), "nested": ({"y": np.float32(0.5)},)}
        return Result({"n": np.int64(3)}, {"score": np.float32(0.5), "none": float("nan")}, details)  # type: ignore[dict-item]

    manifest = _run(output, body).manifest
    assert manifest == read_manifest(output)
    assert manifest.counts == {"n": 3}
    assert manifest.metrics == {"score": 0.5}
    assert manifest.details == {"rows": [0, 1], "x": None, "nested": [{"y": 0.5}]}


def test_artifacts_have_digests_and_lengths(output: str, tmp_path: Path) -> None:
    import hashlib

    import pyarrow as pa

    def body(attempt: Attempt) -> Result:
        assert attempt.scratch.is_dir()
        scratches.append(attempt.scratch)
        (attempt.scratch / "local").write_bytes(b"local")
        attempt.put_file("deep/local.bin", attempt.scratch / "local")
        attempt.put_json("x.json", {"a": 1})
        attempt.put_table("t.parquet", pa.table({"a": [1]}))
        return Result({})

    scratches: list[Path] = []
    report = _run(output, body)
    assert set(report.manifest.artifacts) == {"deep/local.bin", "x.json", "t.parquet", "rejects.parquet"}
    for item in report.manifest.artifacts.values():
        data = storage.read_bytes(storage.join(output, item.path))
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (item.sha256, item.bytes)
    assert not scratches[0].exists()


def test_the_digest_follows_the_results_only(output: str) -> None:
    def body(text: bytes) -> Callable[[Attempt], Result]:
        def write(attempt: Attempt) -> Result:
            attempt.put("x", text)
            return Result({}, {"m": 1.0})

        return write

    one, two, three = (_run(storage.join(output, str(n)), body(text)) for n, text in enumerate((b"a", b"a", b"b")))
    assert one.manifest.digest == two.manifest.digest != three.manifest.digest


@pytest.mark.parametrize("key", ["", "a/b", ".x", "a.json", "../x", "a\0"])
def test_parts_that_would_be_lost_are_refused(output: str, key: str) -> None:
    def body(attempt: Attempt) -> Result:
        with pytest.raises(ValueError, match="cannot be the name of a part"):
            attempt.part_path(key)
        with pytest.raises(ValueError, match="cannot be the name of a part"):
            attempt.commit(key, {})
        return Result({})

    _run(output, body)


@pytest.mark.parametrize("name", ["manifest.json", "lease.json", "step.json", "error.json"])
def test_results_cannot_take_the_contracts_names(output: str, name: str) -> None:
    def body(attempt: Attempt) -> Result:
        with pytest.raises(ValueError, match="step contract"):
            attempt.put(name, b"")
        return Result({})

    assert read_manifest(_run(output, body).output).step == "other"


def test_of_two_commits_of_a_part_the_first_counts(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        attempt.commit("a", {"n": 1})
        attempt.commit("a", {"n": 2})
        assert attempt.committed() == {"a": {"n": 1}}
        return Result({})

    _run(output, body)
    assert storage.read_json(storage.join(output, "parts/a.json"))["payload"] == {"n": 1}


def test_dry_runs_write_nothing(output: str) -> None:
    def plan(**fields: Any) -> Any:
        with dry_run(), pytest.raises(DryRun) as caught:
            _run(output, _never, **fields)
        return caught.value.plan

    assert plan().state == "new"
    assert storage.is_empty(output)
    with pytest.raises(ZeroDivisionError):
        _run(output, lambda attempt: attempt.commit("a", {}) or Result({"x": 1 // 0}))  # type: ignore[func-returns-value]
    before = _snapshot(output)
    assert plan().state == "resume"
    assert "1 parts" in plan().sentence
    assert _snapshot(output) == before
    _run(output)
    with dry_run():
        assert _run(output, _never).reused
        with pytest.raises(EarthenwareError, match="epochs is 1 there"):
            _run(output, _never, epochs=2)


def test_of_two_different_claims_at_once_one_wins(output: str) -> None:
    import threading

    barrier = threading.Barrier(6)
    ended: list[str] = []

    def work(number: int) -> None:
        barrier.wait()
        try:
            _run(output, epochs=number)
            ended.append("made")
        except EarthenwareError as error:
            ended.append(error.code)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["OUTPUT_HOLDS_OTHER"] * 5 + ["made"]
    assert with_values(_run(output, _never, epochs=read_manifest(output).spec["epochs"])).reused
