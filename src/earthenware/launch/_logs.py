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
from earthenware.launch._api import Cluster, RefusedError
from earthenware.launch._pods import SUBMITTER
from earthenware.steps import read_claim

_STAMP: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?")
_LAST_TRIES: Final = 5
_LAG: Final = 60
"""Seconds of log that are asked for again after a break, on top of the time it lasted."""


class LogCopy:
    """What becomes of the lines: they go to this process's own output and to a file in the store.

    Args:
        output: URI of the step's output.
        name: Name of the job.
    """

    def __init__(self, output: str, name: str) -> None:
        self.error: EarthenwareError | None = None
        """The error that the step in the job told last."""
        self._output = output
        self._uri = storage.join(output, "logs", f"{name}.log")
        self._file = tempfile.NamedTemporaryFile(prefix="ew-log-", suffix=".log")  # noqa: SIM115 - lives as long as this
        self._guard = threading.Lock()

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

    def put(self) -> None:
        """Copy the lines so far into the store, once the step there has claimed its output: before, it is not its own.

        A store that fails costs the copy, not the job.
        """
        with self._guard, contextlib.suppress(EarthenwareError, OSError):
            if self._file.tell() and read_claim(self._output) is not None:
                storage.upload_file(Path(self._file.name), self._uri)

    def close(self) -> None:
        """Remove the local file."""
        with contextlib.suppress(OSError):
            self._file.close()


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

    Args:
        cluster: A connection of this thread's own.
        namespace: Where the job is.
        name: Name of the job.
        write: Takes each line once, in order.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str, write: Callable[[str], None]) -> None:
        super().__init__(name="ray-job-log", daemon=True)
        self.failure: EarthenwareError | None = None
        self._cluster, self._namespace, self._job, self._write = cluster, namespace, name, write
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
        found = self._cluster.pods(self._namespace, f"job-name={self._job}")
        pods = sorted(found, key=lambda pod: str(pod.metadata.creation_timestamp or ""))
        return (pods[-1].metadata.name, pods[-1].status.phase or "Pending") if pods else ("", "")

    def _read(self, pod: str, *, follow: bool) -> bool:
        """Read a pod's log from where it was left; return False when the connection broke before its end."""
        import urllib3

        if pod != self._pod:
            self._pod, self._place = pod, _Place()
        options: dict[str, Any] = {"since_seconds": self._place.since()} if self._place.started else {}
        options |= {"container": SUBMITTER, "follow": follow, "timestamps": True, "_preload_content": False}
        options["_request_timeout"] = (10, self._cluster.pace.silence)

        def read() -> Any:
            return self._cluster.core.read_namespaced_pod_log(pod, self._namespace, **options)

        try:
            answer = self._cluster.call("get", "pods/log", self._namespace, read, expected=(400, 404))
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
        if self._place.is_new(stamp[1] if stamp else ""):
            self._write(line[stamp.end() :] if stamp else line)


class _Place:
    """How far a log was read: the time stamp of the last line, and how many lines bear it.

    Stamps are told apart as text, as one line's is the same whenever it is read; their order decides nothing but how
    much is skipped after a break, as those of a program's two outputs may overlap by a little.
    """

    def __init__(self) -> None:
        self.started = False
        self._last = ""
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

    def is_new(self, stamp: str) -> bool:
        """Return whether a line with this stamp has not been read before, and remember it."""
        if self._behind and stamp:
            order = (_key(stamp) > _key(self._last)) - (_key(stamp) < _key(self._last))
            self._met += order == 0
            if order < 0 or (order == 0 and self._met <= self._count):
                return False
            self._behind = False
        if stamp:
            self._count = self._count + 1 if stamp == self._last else 1
            self._last, self.started, self._when = stamp, True, time.monotonic()
        return True


def _key(stamp: str) -> tuple[str, str]:
    """Return what orders stamps of one machine; trailing zeros of the fraction may be left out in them."""
    head, dot, rest = stamp.partition(".")
    return (head, re.split(r"[Z+-]", rest)[0].rstrip("0")) if dot else (re.split(r"Z|[+-]\d\d:\d\d$", head)[0], "")


def _lines(answer: Any, *, partial: bool) -> Iterator[str]:
    """Yield whole lines as they come; what a broken line begins with is read again, unless this is the end of all."""
    rest = b""
    for chunk in answer.stream(amt=None, decode_content=False):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest and partial:
        yield rest.decode("utf-8", "replace")
