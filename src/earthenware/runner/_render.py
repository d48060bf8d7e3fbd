"""Showing the events of running steps: one live line per step in a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import IO, Any, Final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from earthenware.steps import describe_seconds, render_line

_POLL_SECONDS: Final = 0.1
_PLAIN_SECONDS: Final = 10.0
_ICONS: Final = {
    "finished": Text("✓", style="green"),
    "reused": Text("=", style="green"),
    "failed": Text("✗", style="red"),
}


class Terminal(Console):
    """A console whose reader may go away, as in ``| head``, without ending the work that it shows."""

    def on_broken_pipe(self) -> None:
        """Show nothing from now on."""
        self.quiet = True


class Renderer:
    """Follows a folder of events on a thread of its own; use it as a context manager.

    Attributes:
        failures: The ``failed`` events seen so far.
        outputs: Output URI of each finished task.
        seconds: Seconds that each finished task took.
    """

    def __init__(self, folder: Path, stream: IO[str]) -> None:
        self.failures: list[dict[str, Any]] = []
        self.outputs: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        self._console = Terminal(file=stream, highlight=False)
        self._rows: dict[str, dict[str, Any]] = {}
        self._shown: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="events", daemon=True)
        self._live: Live | None = None

    def __enter__(self) -> Renderer:
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, refresh_per_second=8, transient=False)
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._take()
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def _follow(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self._take()
            if self._live:
                self._live.update(self._table())

    def _read(self) -> list[dict[str, Any]]:
        """Return the events written since the last call, in order of time; an unfinished line waits."""
        events = []
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                data = file.read()
            whole = data.rfind(b"\n") + 1
            self._offsets[path] = self._offsets.get(path, 0) + whole
            events += [json.loads(line) for line in data[:whole].splitlines()]
        return sorted(events, key=lambda event: float(event["time"]))

    def _take(self) -> None:
        for event in self._read():
            kind, task, line = event["kind"], str(event["task"]), render_line(event)
            begun = {"state": "running", "since": event["time"], "text": ""}
            row = self._rows.setdefault(task, dict(begun))
            if kind == "failed":
                self.failures.append(event)
            elif kind in ("finished", "reused"):
                self.outputs[task] = event.get("output", "")
                self.seconds[task] = float(event.get("seconds", 0.0))
            if kind == "started":
                row |= begun
            elif kind in _ICONS:
                row |= {"state": kind, "text": line.removeprefix(f"{task}: ")}
            elif kind == "progress":
                row |= {"text": line.removeprefix(f"{task}: "), "done": event["done"] / event["total"]}
            if self._live is None:
                with contextlib.suppress(OSError):  # what cannot be shown is lost: the run goes on
                    self._print_plain(kind, task, line)
            elif kind == "warning":
                self._live.console.print(Text(line, style="yellow"))

    def _print_plain(self, kind: str, task: str, line: str) -> None:
        if kind in ("log", "reject", "started"):
            return
        if kind == "progress":
            if time.monotonic() - self._shown.get(task, -1e9) < _PLAIN_SECONDS:
                return
            self._shown[task] = time.monotonic()
        self._console.print(Text(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1), expand=True)
        for column in range(4):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if column == 3 else None)
        for task, row in self._rows.items():
            icon = _ICONS.get(row["state"]) or Spinner("dots")
            running = row["state"] == "running"
            bar = ProgressBar(total=1.0, completed=row["done"], width=18) if running and "done" in row else ""
            text = row["text"] or f"working, {describe_seconds(time.time() - row['since'])} so far"
            table.add_row(icon, Text(task, style="bold"), bar, Text(text))
        return table
