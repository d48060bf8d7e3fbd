"""A process that runs a step: guarded, ending with its parent, and ending cleanly on SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

from earthenware.processes._guardian import guard


@contextlib.contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does, so that it cleans up, where nothing has seen to that yet."""

    def stop(number: int, _: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off the cleaning up
        raise SystemExit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()  # only there may handlers be set
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def step_process() -> Iterator[None]:
    """Make this process a step's: guarded, ending with its parent, and on SIGTERM ending as on Ctrl-C."""
    with ending_on_sigterm(), guard(watch_parent=True):
        yield
