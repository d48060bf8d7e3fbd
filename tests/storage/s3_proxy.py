"""A proxy before an S3 service: it counts requests, and takes away what a poorer service would lack."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}


class S3Proxy:
    """Passes requests on to an S3 service.

    Attributes:
        url: Its endpoint.
        requests: Method and path with query of every request so far.
        refuse: Called with each request; what it returns is answered instead of asking the service.
        lose: Called with each request that the service has answered: whether the answer gets lost on its way.
    """

    def __init__(self, server: HTTPServer, endpoint: str, drop: Collection[str] = (), page: int = 0) -> None:
        """Start passing on.

        Args:
            server: Listens for the requests.
            endpoint: The service.
            drop: Lower-case names of request headers that never arrive.
            page: Most keys per page of a listing; 0 for the service's own limit.
        """
        self.url = server.url_for("").rstrip("/")
        self.requests: list[tuple[str, str]] = []
        self.refuse: Callable[[Request], Response | None] = lambda request: None
        self.lose: Callable[[Request], bool] = lambda request: False
        self._target = urlsplit(endpoint).netloc
        self._drop = set(drop)
        self._page = page
        server.expect_request(re.compile(".*")).respond_with_handler(self._pass_on)

    def _pass_on(self, request: Request) -> Response:
        path = request.environ["REQUEST_URI"]
        self.requests.append((request.method, path))
        refused = self.refuse(request)
        if refused is not None:
            return refused
        if self._page and "list-type=2" in path:
            path = re.sub(r"&max-keys=\d+", "", path) + f"&max-keys={self._page}"
        headers = {key: value for key, value in request.headers.items() if key.lower() not in self._drop}
        connection = http.client.HTTPConnection(self._target, timeout=30)
        try:
            connection.request(request.method, path, request.get_data(), headers)
            answer = connection.getresponse()
            kept = [(key, value) for key, value in answer.getheaders() if key.lower() not in _HOP_BY_HOP]
            length = answer.getheader("Content-Length")
            response = Response(answer.read(), status=answer.status, headers=kept)
            if request.method == "HEAD" and length:
                response.headers["Content-Length"] = length
            if self.lose(request):
                hang_up(request)
            return response
        finally:
            connection.close()


def hang_up(request: Request) -> None:
    """Break off the connection of a request, so that no answer gets through."""
    with contextlib.suppress(OSError):
        request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
