"""One attempt at a time: live, dead, distant and lost holders of an output."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import (
    Attempt,
    Holder,
    Result,
    Spec,
    artifact,
    read_artifact,
    read_holder,
    read_manifest,
    run_step,
)

from .conftest import Start
from .step_program import PartsSpec, run

LOCAL = pytest.mark.parametrize("output", ["file"], indirect=True)
"""For what does not depend on the kind of storage."""


def _lease(output: str) -> dict[str, Any]:
    found = storage.read_json(storage.join(output, "lease.json"))
    assert isinstance(found, dict)
    return found


def _holder_lives(output: str) -> bool | None:
    holder = read_holder(output)
    assert holder is not None
    return holder.alive


def _wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def _plant(output: str, **changes: Any) -> dict[str, Any]:
    """Leave an unfinished output behind, with a lease of another machine."""
    with pytest.raises(ZeroDivisionError):
        _run(output, lambda _: Result({"x": 1 // 0}))
    lease = {
        "owner": "somebody",
        "machine": "elsewhere/boot/1",
        "host": "elsewhere",
        "pid": 1,
        "process_started": "1",
        "lives": 2.0,
        "renewed": time.time(),
        "expires": time.time() + 2.0,
        **changes,
    }
    storage.write_json(storage.join(output, "lease.json"), lease)
    return lease


def _run(output: str, body: Callable[[Attempt], Result] = lambda _: Result({})) -> Any:
    return run_step("other", 1, spec=Spec(), inputs={}, output=output, body=body)


@pytest.fixture
def short_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_LEASE_SECONDS", "1.5")


def test_a_live_run_keeps_others_out_and_a_killed_one_does_not(output: str, start: Start) -> None:
    first = start(output, "pause=0.4", "guard=no")
    _wait_for(lambda: storage.exists(storage.join(output, "parts/part-0.json")))
    assert _holder_lives(output) is True
    with pytest.raises(EarthenwareError) as caught:
        run(output)
    assert caught.value.code == "LEASED"
    assert str(first.pid) in caught.value.message
    assert not storage.exists(storage.join(output, "error.json")), "the output is another's"
    first.send_signal(signal.SIGSTOP)  # stopped, but not dead
    with pytest.raises(EarthenwareError, match="live run"):
        run(output)
    first.kill()
    first.wait()
    assert _holder_lives(output) is False
    began = time.monotonic()
    assert not run(output).reused
    assert time.monotonic() - began < 15, "a dead holder on this machine is taken over at once"
    assert not storage.exists(storage.join(output, "lease.json"))


@LOCAL
def test_a_killed_process_that_nobody_waited_for_is_dead(output: str, start: Start) -> None:
    first = start(output, "pause=0.4", "guard=no")
    _wait_for(lambda: storage.exists(storage.join(output, "lease.json")))
    first.kill()
    _wait_for(lambda: _holder_lives(output) is False)  # a zombie until this process waits for it


@LOCAL
def test_a_process_number_given_to_another_process_is_not_the_holder(output: str, start: Start) -> None:
    first = start(output, "pause=0.4", "guard=no")
    _wait_for(lambda: storage.exists(storage.join(output, "lease.json")))
    lease = _lease(output)
    assert Holder.model_validate(lease).alive is True
    assert Holder.model_validate({**lease, "process_started": "1"}).alive is False
    assert Holder.model_validate({**lease, "pid": os.getpid()}).alive is False, "this process holds no lease"
    first.kill()


@LOCAL
@pytest.mark.parametrize(
    "lease", [{}, [], "text", {"pid": "x"}, {"owner": "a", "pid": 2**40, "machine": "m", "expires": "soon"}]
)
def test_what_is_no_lease_has_no_living_holder(output: str, lease: dict[str, Any]) -> None:
    storage.write_json(storage.join(output, "lease.json"), lease)
    assert read_holder(output) is None


@LOCAL
@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"expires": 1e99}'])
def test_a_damaged_lease_is_taken_over(output: str, text: bytes) -> None:
    _plant(output)
    storage.write_bytes(storage.join(output, "lease.json"), text)
    assert not _run(output).reused


def test_a_holder_on_another_machine_is_waited_for(output: str) -> None:
    _plant(output)
    began = time.monotonic()
    assert not _run(output).reused
    assert 1 < time.monotonic() - began < 15


@LOCAL
def test_a_holder_with_a_slow_clock_is_watched_before_it_is_given_up(output: str) -> None:
    """Its lease has run out by our clock, yet it renews: it lives."""
    lease = _plant(output, expires=time.time() - 60)
    stop = threading.Event()

    def renew() -> None:
        count = 0
        while not stop.wait(0.2):
            count += 1
            storage.write_json(storage.join(output, "lease.json"), {**lease, "renewed": count})

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(EarthenwareError) as caught:
            _run(output)
    finally:
        stop.set()
        thread.join()
    assert caught.value.code == "LEASED"
    assert "elsewhere" in caught.value.message


@LOCAL
def test_a_holder_with_a_fast_clock_is_given_up_after_its_life(output: str) -> None:
    _plant(output, expires=time.time() + 3600)
    began = time.monotonic()
    assert not _run(output).reused
    assert 1.5 < time.monotonic() - began < 15


@LOCAL
def test_a_lease_that_ran_out_long_ago_is_not_waited_for(output: str) -> None:
    _plant(output, expires=time.time() - 86400, lives=90.0)
    began = time.monotonic()
    assert not _run(output).reused
    assert time.monotonic() - began < 10


@LOCAL
def test_a_holder_that_releases_while_it_is_waited_for(output: str) -> None:
    _plant(output, lives=600.0, expires=time.time() + 600)
    uri = storage.join(output, "lease.json")
    timer = threading.Timer(1, storage.delete_file, [uri])
    timer.start()
    lease = _lease(output)
    storage.write_json(uri, {**lease, "lives": 18.0})  # looked at once a second
    assert not _run(output).reused
    timer.join()


def test_of_many_contenders_for_a_stale_lease_one_wins(output: str) -> None:
    _plant(output, expires=time.time() - 86400)
    running, most, made, refused = 0, 0, 0, 0
    guard = threading.Lock()
    barrier = threading.Barrier(5)

    def body(_: Attempt) -> Result:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.5)
        with guard:
            running -= 1
        return Result({})

    def contend() -> None:
        nonlocal made, refused
        barrier.wait()
        try:
            reused = _run(output, body).reused
            with guard:
                made += not reused
        except EarthenwareError as error:
            with guard:
                refused += error.code == "LEASED"

    threads = [threading.Thread(target=contend) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, made, refused) == (1, 1, 4)


@LOCAL
def test_a_lease_is_renewed_while_the_body_works(output: str, short_life: None) -> None:
    seen = []

    def body(attempt: Attempt) -> Result:
        for _ in range(12):
            seen.append(_lease(output)["renewed"])
            time.sleep(0.2)
        attempt.commit("late", {})  # after more than a life
        return Result({})

    _run(output, body)
    assert len(set(seen)) >= 4


def test_a_run_that_lost_its_lease_commits_nothing_and_leaves_the_output_alone(output: str, short_life: None) -> None:
    uri = storage.join(output, "lease.json")

    def body(attempt: Attempt) -> Result:
        attempt.commit("before", {})
        stolen = json.dumps({**_lease(output), "owner": "thief", "machine": "elsewhere", "expires": time.time() + 60})
        storage.write_bytes(uri, stolen.encode())

        def keep_writing() -> None:
            for _ in range(100):
                time.sleep(0.05)
                attempt.put("x", b"")

        with pytest.raises(EarthenwareError) as caught:
            keep_writing()
        assert caught.value.code == "LEASE_LOST"
        with pytest.raises(EarthenwareError, match="taken over"):
            attempt.commit("after", {})
        return Result({})

    with pytest.raises(EarthenwareError) as caught:
        _run(output, body)
    assert caught.value.code == "LEASE_LOST"
    files = set(storage.list_files(output))
    assert not {"manifest.json", "error.json", "parts/after.json"} & files
    assert _lease(output)["owner"] == "thief"


def test_a_lease_stolen_at_the_last_moment_still_stops_the_manifest(output: str) -> None:
    """The renewal thread had no time to notice: the run asks once more before it writes the manifest."""

    def body(_: Attempt) -> Result:
        storage.write_json(storage.join(output, "lease.json"), {"owner": "thief"})
        return Result({})

    with pytest.raises(EarthenwareError) as caught:
        _run(output, body)
    assert caught.value.code == "LEASE_LOST"
    assert not storage.exists(storage.join(output, "manifest.json"))


def test_an_output_removed_under_a_run_is_a_lost_lease(output: str) -> None:
    def body(_: Attempt) -> Result:
        storage.delete_prefix(output)
        return Result({})

    with pytest.raises(EarthenwareError) as caught:
        _run(output, body)
    assert caught.value.code == "LEASE_LOST"
    assert not storage.exists(storage.join(output, "manifest.json"))


@LOCAL
def test_a_holder_cut_off_from_the_store_gives_up_by_its_own_clock(
    output: str, short_life: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> str:
        raise EarthenwareError("STORAGE_FAILED", "The store cannot be reached.")

    def body(attempt: Attempt) -> Result:
        attempt.commit("before", {})
        with monkeypatch.context() as patch:
            patch.setattr(storage, "replace", unreachable)
            time.sleep(0.6)
            attempt.commit("soon", {})  # still well within its life
            time.sleep(1.5)
            with pytest.raises(EarthenwareError) as caught:
                attempt.commit("late", {})
        assert caught.value.code == "LEASE_LOST"
        attempt.commit("back", {})  # nobody took it meanwhile: the next check renews it
        return Result({"parts": len(attempt.committed())})

    assert _run(output, body).manifest.counts == {"parts": 3}


def test_answers_that_are_lost_on_the_way_do_not_lose_the_lease(
    output: str, short_life: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose answers get lost makes the client write again, which then meets its own first write."""
    write, replace = storage.write_bytes, storage.replace

    def write_twice(uri: str, data: bytes, *, create_only: bool = False) -> None:
        write(uri, data, create_only=create_only)
        if create_only:
            write(uri, data, create_only=create_only)

    def replace_twice(uri: str, data: bytes, version: str) -> str:
        replace(uri, data, version)
        return replace(uri, data + b" ", version)

    monkeypatch.setattr(storage, "write_bytes", write_twice)
    monkeypatch.setattr(storage, "replace", replace_twice)

    def body(attempt: Attempt) -> Result:
        attempt.commit("a", {"n": 1})
        time.sleep(1)
        attempt.commit("b", {"n": 2})
        return Result({"parts": len(attempt.committed())})

    def write_json(uri: str, value: Any, *, create_only: bool = False, sort_keys: bool = True) -> None:
        storage.write_bytes(uri, json.dumps(value, sort_keys=sort_keys).encode(), create_only=create_only)

    monkeypatch.setattr(storage, "write_json", write_json)
    report = _run(output, body)
    assert report.manifest.counts == {"parts": 2}
    assert report.manifest == read_manifest(output)
    assert not storage.exists(storage.join(output, "lease.json"))


@LOCAL
def test_a_run_that_could_not_release_can_run_again_in_the_same_process(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise EarthenwareError("STORAGE_FAILED", "The store cannot be reached.")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete_file", unreachable)
        with pytest.raises(ZeroDivisionError):
            _run(output, lambda _: Result({"x": 1 // 0}))
    assert storage.exists(storage.join(output, "lease.json"))
    assert not _run(output).reused


@LOCAL
def test_a_wrong_setting_is_named(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_LEASE_SECONDS", "0")
    with pytest.raises(EarthenwareError, match="EARTHENWARE_LEASE_SECONDS = '0'"):
        _run(output)


def _results(output: str) -> list[str]:
    return [path for path in storage.list_files(output) if path.startswith("results/")]


def _hand_over(output: str) -> None:
    """Let the lease be another's, on a machine that only time tells to be gone, and soon."""
    other = {"owner": "another", "machine": "elsewhere", "lives": 1.5, "expires": 0}
    storage.write_json(storage.join(output, "lease.json"), {**_lease(output), **other})


def test_a_process_that_was_stopped_past_its_lease_replaces_no_result(output: str, start: Start) -> None:
    first = start(output, "pause=0.3", "parts=1", "author=first", "guard=no")
    _wait_for(lambda: any(path.endswith("result.txt") for path in _results(output)))
    first.send_signal(signal.SIGSTOP)
    _hand_over(output)
    second = run(output, PartsSpec(parts=1), author="second")
    assert not second.reused
    first.send_signal(signal.SIGCONT)
    said, _ = first.communicate(timeout=60)
    assert "LEASE_LOST" in said

    assert read_manifest(output) == second.manifest
    assert read_artifact(output, "author.txt") == b"second"
    assert storage.read_bytes(storage.join(output, "author.txt")) == b"second"
    assert run(output, PartsSpec(parts=1), author="third").reused
    assert not storage.exists(storage.join(output, "error.json"))


@pytest.mark.parametrize("writes", ["before the successor has ended", "after"])
def test_a_write_that_was_under_way_when_the_lease_was_lost_replaces_no_result(
    output: str, writes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No check helps a process that is suspended between the check and the write: only a path of its own does."""

    def sleeper(attempt: Attempt) -> Result:
        def late() -> None:
            with monkeypatch.context() as patch:
                patch.setattr("earthenware.steps._lease.Lease.check", lambda _: None)
                attempt.put("page.html", b"sleeper")

        def successor(other: Attempt) -> Result:
            other.put("page.html", b"successor")
            if writes != "after":
                late()
            return Result({"n": 1})

        attempt.put("page.html", b"sleeper, early")
        _hand_over(output)
        assert not _run(output, successor).reused
        if writes == "after":
            late()
        return Result({"n": 2})

    with pytest.raises(EarthenwareError) as caught:
        _run(output, sleeper)
    assert caught.value.code == "LEASE_LOST"
    assert read_manifest(output).counts == {"n": 1}
    assert read_artifact(output, "page.html") == b"successor"
    assert storage.read_bytes(artifact(output, "page.html")) == b"successor"
    assert storage.read_bytes(storage.join(output, "page.html")) == b"successor"
    assert not storage.exists(storage.join(output, "error.json"))


def test_results_have_no_name_of_their_own_until_the_step_is_done(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        attempt.put("page.html", b"page")
        attempt.put("pictures/a.png", b"picture")
        seen.extend(storage.list_files(output))
        return Result({})

    seen: list[str] = []
    with pytest.raises(ZeroDivisionError):
        _run(output, lambda attempt: Result({"n": [attempt.put("page.html", b"killed"), 1 // 0][1]}))
    report = _run(output, body)
    assert not {"page.html", "pictures/a.png"} & set(seen)
    assert {"page.html", "pictures/a.png", "manifest.json"} <= set(storage.list_files(output))
    of_others = [path for path in _results(output) if not path.startswith(f"results/{report.manifest.attempt}/")]
    assert of_others == [], "what a failed attempt left is removed"

    storage.delete_file(storage.join(output, "pictures/a.png"))  # as if killed right after the manifest
    assert read_artifact(output, "pictures/a.png") == b"picture"
    assert _run(output, body).reused
    assert storage.read_bytes(storage.join(output, "pictures/a.png")) == b"picture"


def test_a_result_is_compared_with_its_digest(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        attempt.put("model/weights", b"1234")
        return Result({})

    _run(output, body)
    folder = artifact(output, "model")
    assert storage.read_bytes(storage.join(folder, "weights")) == b"1234"
    storage.write_bytes(artifact(output, "model/weights"), b"1235")
    with pytest.raises(EarthenwareError) as caught:
        read_artifact(output, "model/weights")
    assert caught.value.code == "OUTPUT_DAMAGED"
    with pytest.raises(FileNotFoundError):
        read_artifact(output, "absent")


def test_a_copy_without_the_folder_of_results_is_whole(output: str) -> None:
    def body(attempt: Attempt) -> Result:
        attempt.put("model/weights", b"1234")
        return Result({})

    _run(output, body)
    storage.delete_prefix(storage.join(output, "results"))
    assert read_artifact(output, "model/weights") == b"1234"
    assert artifact(output, "model") == storage.join(output, "model")
    storage.write_bytes(storage.join(output, "model/weights"), b"1235")
    with pytest.raises(EarthenwareError, match="not what its step wrote"):
        read_artifact(output, "model/weights")


def test_a_folder_that_no_step_made_has_its_files_under_their_names(output: str) -> None:
    storage.write_bytes(storage.join(output, "page.html"), b"copied")
    assert artifact(output, "page.html") == storage.join(output, "page.html")
    assert read_artifact(output, "page.html") == b"copied"
