"""Worker processes that start clean and die with the process that made them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType


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


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of ``workers`` spawned processes.

    Spawned, never forked: the Zarr codec pipeline hangs in a process forked after a write. Each worker ends by itself
    within half a second of its parent's death, also when the parent was killed. Used as a context manager, the pool
    that is left by an exception kills its workers and drops the tasks that wait.
    """
    context = multiprocessing.get_context("spawn")
    return _Pool(workers, mp_context=context, initializer=_die_with_parent, initargs=(os.getpid(),))
