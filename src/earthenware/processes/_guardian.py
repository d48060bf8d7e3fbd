"""A process that runs a step leaves none behind: a guardian outlives it and ends whatever the step started.

Ray's daemons put themselves into sessions of their own and survive a driver that is killed. So a step marks its
environment, which every process below it inherits, and starts one tiny process, the guardian, in a session of its
own. When the step is gone, or when the process that launched the step is gone, the guardian kills all that carry the
mark. This file is also the guardian's program; it needs nothing but psutil.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

_MARK = "EARTHENWARE_GUARD"
_DETACH = "EARTHENWARE_DETACH"
_POLL_SECONDS = 0.25
_LOOK_SECONDS = 1.0
"""Seconds between looks at the step's descendants, which cost more than asking whether it lives."""
_INSIST_SECONDS = 0.5
_active_pid = 0


@contextlib.contextmanager
def guard(*, watch_parent: bool = False) -> Iterator[None]:
    """Leave no process behind, however this block or this process ends.

    Args:
        watch_parent: Also end this process when the process that started it ends. It is not watched where the user
            asked to be left running: under ``nohup`` (SIGHUP ignored), with ``EARTHENWARE_DETACH`` set, or as a
            child of init.

    A guarded process that guards again keeps its first guardian.
    """
    global _active_pid
    if _active_pid == os.getpid():
        yield
        return
    parent = os.getppid()
    detached = os.environ.get(_DETACH) or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN or parent <= 1
    mark = uuid.uuid4().hex
    outer = os.environ.get(_MARK)
    before = ",".join(str(process.pid) for process in psutil.Process().children())
    arguments = [str(os.getpid()), str(parent if watch_parent and not detached else 0), mark, before]
    guardian = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__)), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Unmarked itself, so that no guardian ends another before its work is done.
        env={key: value for key, value in os.environ.items() if key != _MARK},
        cwd="/",
    )
    os.environ[_MARK] = f"{outer}:{mark}" if outer else mark
    # Ray's workers rename themselves over the memory that holds their environment unless told not to.
    os.environ.setdefault("SPT_NOENV", "1")
    _active_pid = os.getpid()
    try:
        yield
    finally:
        _active_pid = 0
        if outer is None:
            del os.environ[_MARK]
        else:
            os.environ[_MARK] = outer
        if guardian.stdin:
            with contextlib.suppress(OSError):  # somebody killed the guardian
                # A byte, as the end of the input does not come while a forked process holds the pipe open too.
                guardian.stdin.write(b".")
                guardian.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guardian.wait(timeout=20)


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does, so that it cleans up, where nothing has seen to that yet.

    The exception is raised wherever the main thread is, also where a library drops all exceptions: where that happens
    it is raised again. Once it is on its way, or a KeyboardInterrupt is, no SIGTERM breaks off the cleaning up.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()  # only there may handlers be set
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    main, left = threading.get_ident(), threading.Event()

    def insist() -> None:
        while not left.wait(_INSIST_SECONDS):
            # Not while it cleans up: Ray's shutdown takes the handler away.
            if not _ending(sys._current_exceptions()[main][1]):
                signal.pthread_kill(main, signal.SIGTERM)

    insisting = threading.Thread(target=insist, name="sigterm", daemon=True)

    def stop(number: int, _: object) -> None:
        if _ending(sys.exc_info()[1]):
            return
        if not insisting.is_alive():
            insisting.start()
            gc.freeze()  # else Python looks through millions of objects for garbage at its exit, which takes seconds
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        left.set()
        if insisting.is_alive():
            insisting.join()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _ending(error: BaseException | None) -> bool:
    """Return whether an exception that is being handled, or the one that it came from, ends the process."""
    while error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        error = error.__context__
    return error is not None


@contextlib.contextmanager
def step_process() -> Iterator[None]:
    """Make this process a step's: guarded, ending with its parent, and on SIGTERM ending as on Ctrl-C."""
    with ending_on_sigterm(), guard(watch_parent=True):
        yield


def _alive(process: psutil.Process | None) -> bool:
    # is_running compares start times, so a process id that was given away again does not count.
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _find(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _marked(mark: str, spare: set[int]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in spare and mark in process.environ().get(_MARK, ""):
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
            continue
    return found


def _sweep(mark: str, spare: set[int], known: set[psutil.Process]) -> None:
    """Kill marked and known processes until none appears: one that is being born inherits the mark."""
    deadline = time.monotonic() + 15
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        found = [*_marked(mark, spare), *(process for process in known if _alive(process))]
        found = [process for process in found if not _ends_by_itself(process)]
        quiet = 0 if found else quiet + 1
        for process in found:
            with contextlib.suppress(psutil.Error):
                known.update(process.children(recursive=True))
                process.kill()
        psutil.wait_procs(found, timeout=1)
        time.sleep(0.05)


def _descendants(step: psutil.Process | None, before: set[int]) -> set[psutil.Process]:
    """Return what runs below the step: a process that was forked and runs no program of its own has no mark.

    Left out are children that the step had ``before`` it was guarded.
    """
    found: set[psutil.Process] = set()
    with contextlib.suppress(psutil.Error):  # it ended meanwhile
        for child in step.children() if step else []:
            if child.pid not in before:
                found |= {child, *child.children(recursive=True)}
    return found


def _ends_by_itself(process: psutil.Process) -> bool:
    """Return whether this is a guardian, or what unlinks the semaphores of all others when they are gone."""
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return __file__ in line or any("resource_tracker import main" in word for word in line)


def _main(step_pid: int, parent_pid: int, mark: str, before: set[int]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    step, parent = _find(step_pid), _find(parent_pid) if parent_pid else None
    known: set[psutil.Process] = set()
    looked = -1e9
    while _alive(step):
        readable, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
        if readable:
            break  # the guarded block ended, or the step did
        if parent_pid and not _alive(parent):
            known |= _descendants(step, before)
            if step is not None:
                with contextlib.suppress(psutil.Error):
                    step.kill()
            break
        if time.monotonic() - looked > _LOOK_SECONDS:
            looked = time.monotonic()
            known = {process for process in known if _alive(process)} | _descendants(step, before)
    _sweep(mark, {os.getpid(), step_pid}, known | _descendants(step, before))


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], {int(pid) for pid in sys.argv[4].split(",") if pid})
