"""A process that runs a step: guarded, ending with its parent, and ending cleanly on SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

from earthenware.processes._guardian import guard


@contextlib.contextmanager
def step_process() -> Iterator[None]:
    """Make this process a step's: guarded, ending with its parent, and on SIGTERM ending as on Ctrl-C."""

    def stop(number: int, _: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off the cleaning up
        raise SystemExit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()  # only there may handlers be set
    previous = signal.signal(signal.SIGTERM, stop) if in_main_thread else None
    try:
        with guard(watch_parent=True):
            yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)
