"""Taking an output away: never under an attempt, and a removal that was killed leaves nothing that is stuck."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import Attempt, Result, Spec, read_claim, remove_output, run_step

from .step_program import PartsSpec, run


class Choice(Spec):
    """What tells two steps apart."""

    name: str = "a"


def make(output: str, body: Callable[[Attempt], Result] = lambda attempt: Result({}), name: str = "a") -> None:
    run_step("demo", 1, spec=Choice(name=name), inputs={}, output=output, body=body)


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(EarthenwareError) as caught:
        call()
    return caught.value.code


def test_nothing_is_removed_under_an_attempt(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        assert error_of(lambda: remove_output(output, finished=False)) == "LEASED"
        return Result({})

    make(output, body)
    assert error_of(lambda: remove_output(output, finished=False)) == "OUTPUT_OCCUPIED"
    remove_output(output, finished=True)
    assert storage.is_empty(output)
    assert not storage.is_local(output) or not Path(output).exists()
    assert error_of(lambda: remove_output(output, finished=True)) == "OUTPUT_OCCUPIED"
    assert storage.is_empty(output), "no lease is left where there is nothing"


def test_no_attempt_begins_under_a_removal(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(output)
    plain, codes = storage.delete_prefix, []

    def meanwhile(*arguments: Any, **options: Any) -> None:
        codes.append(error_of(lambda: make(output)))
        plain(*arguments, **options)

    monkeypatch.setattr(storage, "delete_prefix", meanwhile)
    remove_output(output, finished=True)
    assert codes == ["LEASED"]
    assert storage.is_empty(output)


@pytest.mark.parametrize("other", [False, True])
def test_a_claim_that_is_removed_before_the_lease_is_had_is_made_again(
    output: str, other: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, claim = storage.write_bytes, storage.join(output, "step.json")

    def meanwhile(uri: str, data: bytes, *, create_only: bool = False) -> None:
        if uri.endswith("lease.json") and read_claim(output) is not None:
            monkeypatch.undo()
            storage.delete_file(claim)
            if other:
                make(output, name="b")
        plain(uri, data, create_only=create_only)

    monkeypatch.setattr(storage, "write_bytes", meanwhile)
    if other:
        assert error_of(lambda: make(output)) == "OUTPUT_HOLDS_OTHER"
    else:
        make(output)
    found = read_claim(output)
    assert found is not None
    assert found.spec == {"name": "b" if other else "a"}


def test_a_full_disk_is_made_room_on(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(output)
    plain = storage.write_bytes

    def full(uri: str, data: bytes, *, create_only: bool = False) -> None:
        if storage.exists(storage.join(output, "manifest.json")):
            raise EarthenwareError("STORAGE_FULL", "No space left.")
        plain(uri, data, create_only=create_only)

    monkeypatch.setattr(storage, "write_bytes", full)
    remove_output(output, finished=True)
    assert storage.is_empty(output)


@pytest.mark.parametrize("finished", [True, False])
def test_a_removal_that_is_killed_leaves_what_can_be_resumed_and_removed(tmp_path: Path, finished: bool) -> None:
    """It is killed before each of its calls that remove something; either way on leads to the same end."""
    spec, made = PartsSpec(parts=1), tmp_path / "made"
    digest = run(str(made), spec).manifest.digest
    if not finished:
        (made / "manifest.json").unlink()
    for point in range(1, 100):
        output, copy = tmp_path / f"at-{point}", tmp_path / f"copy-{point}"
        shutil.copytree(made, output)
        if _killed_at(point, str(output), finished):
            shutil.copytree(output, copy)
            assert run(str(copy), spec).manifest.digest == digest, point
            if (output / "step.json").exists():
                remove_output(str(output), finished=(output / "manifest.json").exists())
                assert not output.exists()
            else:
                assert {path.name for path in output.iterdir()} <= {"lease.json"}
        else:
            assert not output.exists()
            assert point > 10
            return
    pytest.fail("it never came to its end")


def _killed_at(point: int, output: str, finished: bool) -> bool:
    """Remove an output in another process that is killed before its ``point``-th removal of a file or folder."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    calls = 0

    def dangerous(plain: Callable[..., None]) -> Callable[..., None]:
        def call(path: object, *arguments: Any, **options: Any) -> None:
            nonlocal calls
            if not str(path).endswith(".tmp"):
                calls += 1
            if calls == point:
                os.kill(os.getpid(), signal.SIGKILL)
            plain(path, *arguments, **options)

        return call

    signal.alarm(120)
    try:
        os.unlink, os.rmdir = dangerous(os.unlink), dangerous(os.rmdir)
        remove_output(output, finished=finished)
        os._exit(0)
    except BaseException:
        os._exit(1)
