"""No process is left behind, however a step ends."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from earthenware.processes import ending_on_sigterm, guard, process_pool, step_process

from .conftest import PROGRAM, Start


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _all_end(pids: list[int], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while any(_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _children(process: subprocess.Popen[str], count: int) -> list[int]:
    assert process.stdout
    pids = []
    for line in iter(process.stdout.readline, ""):
        if line.startswith(("child ", "forked ")):
            pids.append(int(line.split()[1]))
        if len(pids) == count:
            return pids
    raise AssertionError("the program ended early")


@pytest.fixture
def graves() -> Iterator[list[int]]:
    """Processes that must not outlive the test, whatever it finds."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _end(process: subprocess.Popen[str], how: str) -> None:
    """Kill a step alone or with its group, or tell it to end."""
    if how == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif how == "step":
        process.kill()
    else:
        process.terminate()


@pytest.mark.parametrize("how", ["step", "group", "terminate"])
def test_a_killed_step_leaves_nothing(tmp_path: Path, start: Start, graves: list[int], how: str) -> None:
    process = start(str(tmp_path / "out"), "pause=5", "children=2", "fork=1", start_new_session=True)
    graves += _children(process, 3)
    guardians = psutil.Process(process.pid).children()
    time.sleep(1.5)  # the guardian looks for forked processes once a second
    assert all(_alive(pid) for pid in graves)
    _end(process, how)
    assert process.wait(timeout=30) == (143 if how == "terminate" else -signal.SIGKILL)
    assert _all_end(graves)
    assert _all_end([guardian.pid for guardian in guardians]), "the guardian ends when its work is done"


def test_a_finished_step_leaves_nothing(tmp_path: Path, start: Start, graves: list[int]) -> None:
    process = start(str(tmp_path / "out"), "children=2", "fork=1")
    graves += _children(process, 3)
    assert process.wait(timeout=60) == 0
    assert _all_end(graves, 1), "they ended before the step did"


_LAUNCHER = """
import os, signal, subprocess, sys
# Whether the tests themselves run under nohup must not count.
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
step = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, text=True)
print("step", step.pid, flush=True)
for line in step.stdout:
    print(line, end="", flush=True)
"""


def _launch(how: str, output: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _LAUNCHER, how, sys.executable, str(PROGRAM), str(output), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )


def _launched(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline().split()[1])


def test_a_step_ends_with_its_parent(tmp_path: Path, graves: list[int]) -> None:
    launcher = _launch("plain", tmp_path / "out", "pause=5", "children=2")
    graves.append(_launched(launcher))
    graves += _children(launcher, 2)
    launcher.kill()
    launcher.wait()
    assert _all_end(graves)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("how", "environment"),
    [("nohup", {}), pytest.param("plain", {"EARTHENWARE_DETACH": "1"}, marks=pytest.mark.system)],
)
def test_a_step_that_was_meant_to_stay_outlives_its_parent(
    tmp_path: Path, graves: list[int], how: str, environment: dict[str, str]
) -> None:
    launcher = _launch(how, tmp_path / "out", "pause=0.2", "parts=3", "children=1", **environment)
    graves.append(_launched(launcher))
    graves += _children(launcher, 1)
    launcher.kill()
    launcher.wait()
    if launcher.stdout:
        launcher.stdout.close()
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "manifest.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert _all_end(graves), "and leaves nothing behind in the end"


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


def test_guards_may_be_nested_and_spare_what_was_there_before(graves: list[int]) -> None:
    before = _sleeper()
    graves.append(before.pid)
    with guard():
        outside = _sleeper()
        graves.append(outside.pid)
        with guard():
            inside = _sleeper()
            graves.append(inside.pid)
        assert _alive(inside.pid), "the first guard is the one that counts"
    assert _all_end([inside.pid, outside.pid], 2)
    assert _alive(before.pid)
    assert "EARTHENWARE_GUARD" not in os.environ
    before.kill()
    for process in (before, inside, outside):
        process.wait()


def test_a_guarded_step_within_a_guarded_run(tmp_path: Path, graves: list[int]) -> None:
    """As ``earthenware run`` does: the end of the outer guard ends the steps within."""
    with guard():
        process = _launch("plain", tmp_path / "out", "pause=5", "children=1", EARTHENWARE_DETACH="1")
        graves.append(_launched(process))
        graves += _children(process, 1)
    assert _all_end([process.pid, *graves])
    process.wait()


def test_a_guard_whose_guardian_was_killed_still_ends(graves: list[int]) -> None:
    mine = psutil.Process()
    before = {process.pid for process in mine.children()}
    with guard():
        for process in mine.children():
            if process.pid not in before:
                process.kill()
    assert "EARTHENWARE_GUARD" not in os.environ


def test_step_process_restores_the_signal(graves: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with step_process():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


_POOL_WORK = """
import os, time
def who(_):
    time.sleep(0.05)
    return os.getpid()
"""

_POOL = """
import os, sys, time
from earthenware.processes import process_pool
if __name__ == "__main__":
    with process_pool(2) as pool:
        print(*{pid for pid in pool.map(__import__("tests_pool_work").who, range(20))}, flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def test_workers_die_with_a_killed_parent(tmp_path: Path, graves: list[int]) -> None:
    (tmp_path / "tests_pool_work.py").write_text(
        "import os, time\ndef who(_):\n    time.sleep(0.05)\n    return os.getpid()\n"
    )
    (tmp_path / "main.py").write_text(_POOL)
    process = subprocess.Popen([sys.executable, str(tmp_path / "main.py")], stdout=subprocess.PIPE, text=True)
    graves.append(process.pid)
    assert process.stdout
    workers = [int(pid) for pid in process.stdout.readline().split()]
    graves += workers
    assert workers
    everything = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert set(workers) <= set(everything)
    process.kill()
    process.communicate()
    assert _all_end(everything, 5)


_GUARDED_POOL = """
import sys, time
from pathlib import Path
from earthenware.processes import process_pool, step_process

def work():
    pool = process_pool(2)
    list(pool.map(abs, range(8)))
    print(*{line.split()[4] for line in Path("/proc/self/maps").open() if "/dev/shm/sem." in line}, flush=True)
    pool.submit(time.sleep, 600)
    if "fail" in sys.argv:
        pool.shutdown(wait=False, cancel_futures=True)
        raise ValueError("the one error")
    time.sleep(600)

if __name__ == "__main__":
    try:
        with step_process():
            work()
    except ValueError as error:
        print(error, file=sys.stderr)
"""


def _guarded_pool(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], set[int]]:
    """Start a step with a pool; return it with the inodes of its semaphores, whose names are known to few."""
    (folder / "main.py").write_text(_GUARDED_POOL)
    process = subprocess.Popen(
        [sys.executable, str(folder / "main.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    inodes = {int(word) for word in process.stdout.readline().split()}
    assert inodes
    return process, inodes


def _all_unlinked(inodes: set[int], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while inodes & {entry.inode() for entry in os.scandir("/dev/shm")}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("how", ["step", "group", "terminate"])
def test_a_pool_that_is_killed_leaves_no_semaphore(tmp_path: Path, graves: list[int], how: str) -> None:
    process, inodes = _guarded_pool(tmp_path)
    everything = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    graves += [process.pid, *everything]
    _end(process, how)
    process.communicate(timeout=60)
    assert _all_unlinked(inodes)
    assert _all_end(everything), "nor what unlinked them"


def test_a_step_that_fails_at_work_says_so_and_nothing_else(tmp_path: Path) -> None:
    process, inodes = _guarded_pool(tmp_path, "fail")
    _, said = process.communicate(timeout=60)
    assert said == "the one error\n"
    assert _all_unlinked(inodes)


def _interrupted_twice() -> None:
    with ending_on_sigterm():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)


def test_a_sigterm_after_ctrl_c_does_not_break_off_the_cleaning_up() -> None:
    """As in a run, whose steps get the Ctrl-C of the terminal and then the SIGTERM of the run."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            _interrupted_twice()
    finally:
        signal.signal(signal.SIGINT, interrupt)


def _told_where_exceptions_are_dropped(cleaned: list[str]) -> None:
    with ending_on_sigterm():
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        try:
            time.sleep(600)
        finally:
            try:
                raise ValueError("of the cleaning up itself")
            except ValueError:
                signal.raise_signal(signal.SIGTERM)
            time.sleep(1.2)  # longer than it takes until it is told again
            cleaned.append("cleaned")


def test_sigterm_is_obeyed_where_a_library_dropped_the_exception() -> None:
    """As pyarrow does while it imports pandas."""
    cleaned: list[str] = []
    try:
        with pytest.raises(SystemExit) as ended:
            _told_where_exceptions_are_dropped(cleaned)
    finally:
        gc.unfreeze()
    assert ended.value.code == 143
    assert cleaned == ["cleaned"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _fail_in_a_pool() -> None:
    with process_pool(1) as pool:
        for _ in range(50):
            pool.submit(time.sleep, 60)
        time.sleep(1)
        raise KeyError("boom")


def test_a_pool_left_by_an_error_does_not_work_on() -> None:
    began = time.monotonic()
    with pytest.raises(KeyError):
        _fail_in_a_pool()
    assert time.monotonic() - began < 20


def test_a_pool_works_through_what_it_was_given() -> None:
    with process_pool(2) as pool:
        futures = [pool.submit(abs, -number) for number in range(10)]
    assert [future.result() for future in futures] == list(range(10))
