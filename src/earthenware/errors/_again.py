"""Trying again: what a server or database that is busy or away for a moment is asked, until it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def again(
    call: Callable[[], T],
    patience: Callable[[Exception], float],
    *,
    first: float,
    longest: float,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Return ``call()``, called again with doubling waits while what it raised may pass by itself.

    Args:
        call: What to do.
        patience: How many seconds in all are waited for what was raised to pass; 0 for what will not.
        first: Seconds before the second call.
        longest: Longest wait between two calls in seconds.
        pause: Waits for so many seconds.
    """
    began, waited, wait = time.monotonic(), 0.0, first
    while True:
        try:
            return call()
        except Exception as error:
            left = patience(error) - max(time.monotonic() - began, waited)
            if left <= 0:
                raise
        pause(min(wait, left))
        waited, wait = waited + min(wait, left), min(2 * wait, longest)
