"""A web server whose answers a test can hold back: so a build is caught while it reads."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


class Gate:
    """Serves the files of this machine; :meth:`closed` makes whoever asks for one wait.

    Attributes:
        asked: Path and first byte of each request so far.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.asked: list[tuple[str, int]] = []
        self._server = server
        self._open = threading.Event()
        self._open.set()
        self._beyond = 0
        self._waiting = threading.Event()
        server.expect_request(re.compile("/")).respond_with_handler(self._answer)

    def url(self, path: str | Path) -> str:
        """Return the address of a file."""
        return self._server.url_for(str(path))

    @contextmanager
    def closed(self, beyond: int = 0) -> Iterator[threading.Event]:
        """Hold back what begins at a byte or behind it; the event tells that somebody waits."""
        self._beyond = beyond
        self._waiting.clear()
        self._open.clear()
        try:
            yield self._waiting
        finally:
            self._open.set()

    def _answer(self, request: Request) -> Response:
        data = Path(request.path).read_bytes()
        start, stop = request.range.ranges[0] if request.range else (0, None)
        start, stop = start or 0, min(stop or len(data), len(data))
        self.asked.append((request.path, start))
        if start >= self._beyond and not self._open.is_set():
            self._waiting.set()
            self._open.wait()
        if not request.range:
            return Response(data, headers={"Accept-Ranges": "bytes"})
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "Accept-Ranges": "bytes"}
        return Response(data[start:stop], status=206, headers=headers)


@contextmanager
def gate() -> Iterator[Gate]:
    """Yield a gate that is open."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield Gate(server)
