"""Structured events: what a step says while it works.

The same event is a live line in a terminal, a plain line in a pod's log, and a JSON line for ``earthenware run``,
which sets ``EARTHENWARE_EVENTS`` to a folder and renders what its children write there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from earthenware.errors import printable

EVENTS_VARIABLE: Final = "EARTHENWARE_EVENTS"
_PLAIN_INTERVAL: Final = 10.0
"""Seconds between progress lines in a log."""
_FILE_INTERVAL: Final = 0.2
"""Seconds between progress events in a file."""
_LIVE_INTERVAL: Final = 0.1


def describe_seconds(seconds: float) -> str:
    """Return a duration as people write it: ``4 s``, ``2 min 05 s``, ``1 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def render_line(event: dict[str, Any]) -> str:
    """Return the one line of text that a person reads for ``event``."""
    return printable(" ".join(_text(event).splitlines()))


def _text(event: dict[str, Any]) -> str:
    label = event["task"]
    kind = event["kind"]
    if kind == "progress":
        line = f"{label}: {event['done']}/{event['total']} {event['unit']}"
        if event.get("rate"):
            line += f", {event['rate']:.3g} {event['unit']}/s"
        if event.get("seconds_left") is not None:
            line += f", {describe_seconds(event['seconds_left'])} left"
        return line
    if kind == "finished":
        return f"{label}: done in {describe_seconds(event['seconds'])}{_counts(event)}"
    if kind == "reused":
        return f"{label}: nothing to do, finished before{_counts(event)}"
    if kind == "failed":
        return f"{label}: failed: {event['message']} {event.get('remedy', '')}".rstrip()
    if kind == "warning":
        return f"{label}: warning: {event['message']}"
    return f"{label}: {event.get('message', kind)}"


def _counts(event: dict[str, Any]) -> str:
    counts = [f"{value} {key}" for key, value in (event.get("counts") or {}).items() if value]
    return f" ({', '.join(counts[:4])})" if counts else ""


class EventLog:
    """Writes the events of one step to wherever they are read."""

    def __init__(self, step: str, task: str | None = None) -> None:
        self.step = step
        self.task = task or step
        self._first: tuple[float, int] | None = None
        self._phase: tuple[int, str] | None = None
        self._shown = -1e9
        self._guard = threading.Lock()
        self._live_width = 0
        self._live = sys.stderr.isatty()
        self._interval = _LIVE_INTERVAL if self._live else _PLAIN_INTERVAL
        self._path: Path | None = None
        if folder := os.environ.get(EVENTS_VARIABLE):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._path = Path(folder) / f"{os.getpid()}-{step}.jsonl"
            self._interval = _FILE_INTERVAL

    def emit(self, kind: str, **fields: Any) -> None:
        """Write one event. An event that cannot be written, as the reader has gone, is lost: the step goes on."""
        event = {"time": time.time(), "step": self.step, "task": self.task, "kind": kind, **fields}
        with self._guard, contextlib.suppress(OSError):
            self._write(event)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Report that ``done`` of ``total`` units are ready; rate and time left count from the first report."""
        now = time.monotonic()
        if self._first is None or done < self._first[1] or self._phase != (total, unit):
            self._first, self._phase, self._shown = (now, done), (total, unit), -1e9
        if now - self._shown < self._interval and done < total:
            return
        self._shown = now
        start, before = self._first
        fresh = done - before
        # A resumed step starts with work done: only what this attempt did says how fast it is.
        elapsed = now - start
        rate = fresh / elapsed if fresh > 0 and elapsed > 0 else None
        left = (total - done) / rate if rate else None
        self.emit("progress", done=done, total=total, unit=unit, rate=rate, seconds_left=left)

    def _write(self, event: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event, default=str) + "\n")
        elif event["kind"] != "started" and self._live:
            self._write_live(render_line(event), keep=event["kind"] != "progress")
        elif event["kind"] != "started":
            print(render_line(event), file=sys.stderr, flush=True)

    def _write_live(self, line: str, *, keep: bool) -> None:
        if not keep:
            # A line that wraps could not be overwritten.
            columns = shutil.get_terminal_size().columns
            with contextlib.suppress(OSError, ValueError):
                columns = os.get_terminal_size(sys.stderr.fileno()).columns or columns
            line = line[: columns - 1]
        sys.stderr.write("\r" + line.ljust(self._live_width) + ("\n" if keep else ""))
        sys.stderr.flush()
        self._live_width = 0 if keep else len(line)
