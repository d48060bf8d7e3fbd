"""The log of a Ray job: followed line by line through broken connections, shown, and kept beside the output."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.launch._cluster import Cluster, RefusedError
from earthenware.launch._pods import SUBMITTER
from earthenware.steps import read_claim

_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d*?)0*)?(?:Z|[+-]\d\d:\d\d) ?")
"""A line's time stamp: seconds, and their fraction, whose trailing zeros may be left out."""
_COPY_SECONDS: Final = 60.0
_LAST_TRIES: Final = 5
_LAG: Final = 60
"""Seconds of log that are asked for again after a break, on top of the time it lasted."""


class LogCopy:
    """What becomes of a job's lines: they go to this process's own output, and to a file beside the step's output."""

    def __init__(self, output: str, name: str) -> None:
        self.error: EarthenwareError | None = None
        """The error that the step in the job told last."""
        self._output = output
        self._uri = storage.join(output, "logs", f"{name}.log")
        self._file = tempfile.NamedTemporaryFile(prefix="ew-log-", suffix=".log")  # noqa: SIM115 - lives as long as this
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._copying = threading.Thread(target=self._copy, name="ray-job-log-copy", daemon=True)
        self._copying.start()

    def write(self, line: str) -> None:
        """Take one line; the one that holds the step's error is remembered instead of shown."""
        error = _told_error(line)
        with self._guard:
            self._file.write(f"{line}\n".encode())
            self._file.flush()
        if error is not None:
            self.error = error
            return
        with contextlib.suppress(OSError):  # the reader has gone: the job goes on
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def _copy(self) -> None:
        """Copy the lines now and then, once the step there has claimed its output: before, it is not its own.

        A store that fails costs the copy, not the job.
        """
        ended = False
        while not ended:
            ended = self._ended.wait(_COPY_SECONDS)
            with self._guard, contextlib.suppress(EarthenwareError, OSError):
                if self._file.tell() and read_claim(self._output) is not None:
                    storage.upload_file(Path(self._file.name), self._uri)
        with contextlib.suppress(OSError):
            self._file.close()

    def close(self, seconds: float) -> None:
        """Copy all lines, and remove the local file, within so many seconds."""
        self._ended.set()
        self._copying.join(seconds)


def _told_error(line: str) -> EarthenwareError | None:
    if not line.startswith('{"code"'):
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        values = json.loads(line)
        if values.keys() == {"code", "message", "remedy"}:
            return EarthenwareError(**values)
    return None


class LogFollower(threading.Thread):
    """Follows the log of a job's submitter pod, and of the next one where Kueue stopped and resumed the job.

    The connection is this thread's own; ``write`` takes each line once, in order.
    """

    def __init__(self, cluster: Cluster, name: str, write: Callable[[str], None]) -> None:
        super().__init__(name="ray-job-log", daemon=True)
        self.failure: EarthenwareError | None = None
        self._cluster, self._job, self._write = cluster, name, write
        self._ending = threading.Event()
        self._pod = ""
        self._place = _Place()

    def finish(self, seconds: float) -> None:
        """Read what there is still to read, for so many seconds at most."""
        self._ending.set()
        if self.is_alive():
            self.join(seconds)

    def run(self) -> None:
        """Follow until :meth:`finish` is called and the log is at its end."""
        done, pace, tries = "", self._cluster.pace, _LAST_TRIES
        pause = pace.poll
        while True:
            last = self._ending.is_set()  # looked at before reading: what is there now is all that will be
            whole = True
            try:
                pod, phase = self._find()
                pause = pace.slower(pause)
                if pod and pod != done and phase != "Pending":
                    pause = pace.poll
                    over = phase in ("Succeeded", "Failed")
                    whole = self._read(pod, follow=not over and not last)
                    done = pod if over and whole else done
            except EarthenwareError as error:
                self.failure = error
                return
            if last and (whole or not tries):
                return
            tries -= last
            time.sleep(pace.poll) if last else self._ending.wait(pause)

    def _find(self) -> tuple[str, str]:
        """Return the newest submitter pod and its phase, or empty text."""
        pods = self._cluster.pods(f"job-name={self._job}")
        if not pods:
            return "", ""
        newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))[-1]
        return newest["metadata"]["name"], newest["status"].get("phase") or "Pending"

    def _read(self, pod: str, *, follow: bool) -> bool:
        """Read a pod's log from where it was left; return False when the connection broke before its end."""
        import urllib3

        if pod != self._pod:
            self._pod, self._place = pod, _Place()
        query = {"container": SUBMITTER, "follow": str(follow).lower(), "timestamps": "true"}
        if self._place.started:
            query["sinceSeconds"] = str(self._place.since())
        path, silence = f"/api/v1/namespaces/{self._cluster.namespace}/pods/{pod}/log", self._cluster.pace.silence
        try:
            answer = self._cluster.call(
                "get", "pods/log", path, query=query, stream=True, expected=(400, 404), answer=silence
            )
        except RefusedError:
            return not follow  # 400: its container has not started; 404: it has just been removed
        self._place.again()
        try:
            for line in _lines(answer, partial=not follow):
                self._take(line)
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        finally:
            answer.close()
            answer.release_conn()
        return True

    def _take(self, line: str) -> None:
        stamp = _STAMP.match(line)
        if stamp is None:
            self._write(line)
        elif self._place.is_new((stamp[1], stamp[2] or "")):
            self._write(line[stamp.end() :])


class _Place:
    """How far a log was read: the time stamp of the last line, and how many lines bear it.

    The stamps' order decides nothing but how much is skipped after a break, as those of a program's two outputs may
    overlap by a little.
    """

    def __init__(self) -> None:
        self.started = False
        self._last = ("", "")
        self._count = 0
        self._behind = False
        self._met = 0
        self._when = time.monotonic()

    def since(self) -> int:
        """Return how many seconds of log to ask for: by this machine's clock alone, which may differ from the pod's."""
        return int(time.monotonic() - self._when) + _LAG

    def again(self) -> None:
        """Begin to read anew."""
        self._behind, self._met = self.started, 0

    def is_new(self, stamp: tuple[str, str]) -> bool:
        """Return whether a line with this stamp has not been read before, and remember it."""
        if self._behind:
            self._met += stamp == self._last
            if stamp < self._last or (stamp == self._last and self._met <= self._count):
                return False
            self._behind = False
        self._count = self._count + 1 if stamp == self._last else 1
        self._last, self.started, self._when = stamp, True, time.monotonic()
        return True


def _lines(answer: Any, *, partial: bool) -> Iterator[str]:
    """Yield whole lines as they come; what a broken line begins with is read again, unless this is the end of all."""
    rest = b""
    for chunk in answer.stream(amt=None, decode_content=False):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest and partial:
        yield rest.decode("utf-8", "replace")
