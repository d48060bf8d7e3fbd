"""Worker processes that start clean and die with the process that made them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any


def _die_with_parent(parent: int) -> None:
    # Ctrl-C goes to the whole foreground group: the parent decides, the workers just end when it does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class _Pool(ProcessPoolExecutor):
    """A pool that, left by an error or a signal, does not first work through all that was handed to it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            for process in list((self._processes or {}).values()):
                process.kill()
            self.shutdown(wait=True, cancel_futures=True)
        return super().__exit__(kind, error, trace)


def _track_apart() -> None:
    """Start the process that unlinks what a killed pool leaves, in a session that a kill of the whole group spares."""
    tracker: Any = resource_tracker._resource_tracker
    if tracker._fd is None:
        program = "import os; from multiprocessing.resource_tracker import main; main(os.dup(0))"
        command, null = [sys.executable, "-c", program], subprocess.DEVNULL
        reader, tracker._fd = os.pipe()  # as in children, which spawn tells of their parent's
        tracker.process = subprocess.Popen(command, stdin=reader, stdout=null, stderr=null, start_new_session=True)
        os.close(reader)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of ``workers`` spawned processes.

    Spawned, never forked: the Zarr codec pipeline hangs in a process forked after a write. Each worker ends by itself
    within half a second of its parent's death, also when the parent was killed. Used as a context manager, the pool
    that is left by an exception kills its workers and drops the tasks that wait.
    """
    _track_apart()
    context = multiprocessing.get_context("spawn")
    return _Pool(workers, mp_context=context, initializer=_die_with_parent, initargs=(os.getpid(),))
