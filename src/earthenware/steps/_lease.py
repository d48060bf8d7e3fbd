"""The lease: one attempt at a time owns an output prefix.

A lease is one small object, taken by a conditional put and renewed by compare-and-swap. A holder on this machine is
known to be dead or alive by its process. A holder on another machine lives until its lease has run out and a contender
has watched for longer than a renewal takes: clocks of two machines may differ, but a live holder renews.

A holder counts its own time since the last renewal that went through, so that one that was suspended, or cut off from
the store, notices by itself that it may have been given up. ``EARTHENWARE_LEASE_SECONDS`` sets how long a lease of
this process lives (default 90).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.processes import process_started, process_table
from earthenware.steps._documents import HELD, LEASE, Holder, parse
from earthenware.storage import ConflictError

_SECONDS_VARIABLE: Final = "EARTHENWARE_LEASE_SECONDS"
_TIME_TO_LIVE: Final = 90.0
"""Seconds until a lease that nobody renews runs out."""
_RENEWALS: Final = 4.5
"""Renewals per life: three may fail before the lease is lost."""


def _now() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _time_to_live() -> float:
    text = os.environ.get(_SECONDS_VARIABLE, "")
    try:
        seconds = float(text) if text else _TIME_TO_LIVE
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 3600:
        message = f"{_SECONDS_VARIABLE} = '{text}' is not a number of seconds from 0.5 to 3600."
        raise EarthenwareError("BAD_ENVIRONMENT", message, "Correct or unset it.")
    return seconds


class Lease:
    """A held lease, as a context manager; ``on_wait`` is told the seconds left while one elsewhere is waited for."""

    def __init__(self, output: str, on_wait: Callable[[float], None] | None = None) -> None:
        self._uri = storage.join(output, LEASE)
        self._output = output
        self._owner = uuid.uuid4().hex
        self._lives = _time_to_live()
        self._version = ""
        self._renewed = 0.0
        self._lost = False
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._on_wait = on_wait
        self._thread = threading.Thread(target=self._renew_forever, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        HELD.add(self._owner)  # before the first write, as another thread of this process may look at it at once
        try:
            self._acquire()
            self._thread.start()
        except BaseException:
            HELD.discard(self._owner)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        try:
            # Removing is not conditional: it is safe only while a renewal says that the lease is ours for a while.
            if self._renew() and not self._lost:
                storage.delete_file(self._uri)
        except EarthenwareError:
            pass  # it runs out by itself
        finally:
            HELD.discard(self._owner)

    def check(self) -> None:
        """Verify that the lease is still held; call it before every write that counts.

        Raises:
            EarthenwareError: ``LEASE_LOST``.
        """
        if not self._lost and _now() - self._renewed > 0.75 * self._lives:
            self._renew()
        if self._lost:
            message = f"The lease on '{storage.redact(self._output)}' was taken over by another attempt."
            raise EarthenwareError("LEASE_LOST", message, "Let the other attempt finish.")
        if _now() - self._renewed > self._lives:
            message = f"The lease on '{storage.redact(self._output)}' could not be renewed in time."
            raise EarthenwareError("LEASE_LOST", message, "Check the store, and run the step again: it resumes.")

    def confirm(self) -> None:
        """Verify it with the store at once; call it before the write that ends the step.

        Raises:
            EarthenwareError: ``LEASE_LOST``.
        """
        self._renew()
        self.check()

    def _content(self) -> bytes:
        now = time.time()
        holder = Holder(
            owner=self._owner,
            machine=process_table(),
            host=socket.gethostname(),
            pid=os.getpid(),
            process_started=process_started(os.getpid()),
            lives=self._lives,
            renewed=now,
            expires=now + self._lives,
        )
        return holder.model_dump_json().encode()

    # ------------------------------------------------------------------------------------------------------ acquiring

    def _acquire(self) -> None:
        while True:
            began = _now()
            with contextlib.suppress(FileExistsError):
                storage.write_bytes(self._uri, self._content(), create_only=True)
            holder, version = self._look()
            if not version:
                time.sleep(0.02)  # released between the two calls
                continue
            if holder is not None and holder.owner == self._owner:  # also when the answer to the write was lost
                self._version, self._renewed = version, began
                return
            if holder is not None and holder.alive:
                raise self._leased(holder)
            if holder is not None and holder.alive is None:
                self._watch(holder, version)
            began = _now()
            try:
                self._version = storage.replace(self._uri, self._content(), version)
            except ConflictError:
                continue  # another contender was quicker, or the answer was lost: look again
            self._renewed = began
            return

    def _look(self) -> tuple[Holder | None, str]:
        """Return who holds the lease and its version; no version where there is none, no holder where it is damaged."""
        try:
            data, version = storage.read_versioned(self._uri)
        except FileNotFoundError:
            return None, ""
        return parse(Holder, data), version

    def _watch(self, holder: Holder, version: str) -> None:
        """Wait until a holder on another machine has surely gone.

        Raises:
            EarthenwareError: ``LEASED``: it renewed, so it lives.
        """
        lives = min(max(holder.lives, 0.5), 3600.0)
        began = _now()
        while True:
            watched = _now() - began
            left = max(holder.expires - time.time(), 1.5 * lives / _RENEWALS - watched)
            left = min(left, lives - watched)
            if left <= 0:
                return
            if self._on_wait:
                self._on_wait(left)
            time.sleep(min(left, lives / 18))
            _, current = self._look()
            if current and current != version:
                raise self._leased(holder)
            if not current:
                return

    def _leased(self, holder: Holder) -> EarthenwareError:
        who = f"process {holder.pid} on {holder.host}"
        message = f"'{storage.redact(self._output)}' is leased by a live run ({who})."
        return EarthenwareError("LEASED", message, "Wait for that run to end, or give another output.")

    # ------------------------------------------------------------------------------------------------------- renewing

    def _renew_forever(self) -> None:
        while not self._stop.wait(self._lives / _RENEWALS) and not self._lost:
            self._renew()

    def _renew(self) -> bool:
        """Renew once; return whether that went through."""
        with self._guard:
            if self._lost:
                return False
            began = _now()
            try:
                self._version = storage.replace(self._uri, self._content(), self._version)
            except (ConflictError, FileNotFoundError):
                return self._settle(began)
            except EarthenwareError:
                return False  # the store is out of reach for a moment: the next renewal may pass
            self._renewed = began
            return True

    def _settle(self, began: float) -> bool:
        """Find out whose the lease is after a conflict, which is ours if only the store's answer was lost."""
        try:
            holder, version = self._look()
        except EarthenwareError:
            return False
        if holder is None or holder.owner != self._owner:
            self._lost = True
            return False
        self._version, self._renewed = version, began
        return True
