"""A Kubeflow Pipelines API on this machine: a real HTTP server that speaks ``v2beta1`` and believes nothing.

Every request and every answer is checked with kfp-server-api's own models, uploaded pipelines with the protobufs of
pipelines and platforms, and a run's parameters with what its pipeline declares, as Kubeflow's API server does. A
request that no real server would have understood is kept in ``broken``, which a test asserts to be empty.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kubeflow.kfp_models import InvalidError, check, routes
from tests.kubeflow.kfp_pipelines import RefusedError
from tests.kubeflow.kfp_state import State

_ROUTES = routes()
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}


@dataclass
class Failure:
    """What goes wrong with requests whose ``METHOD path`` matches: after ``after`` good ones, ``times`` times."""

    pattern: str
    status: int = 500
    body: str = ""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    times: int = 10**9
    after: int = 0
    drop: bool = False


class StandIn:
    """A server; ``prefix`` is what stands before ``/apis``, as behind a gateway."""

    def __init__(self, prefix: str = "", ssl_context=None):
        self.state = State()
        self.prefix = prefix
        self.tokens: set[str] = set()
        self.cookies: set[str] = set()
        self.failures: list[Failure] = []
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.broken: list[str] = []
        self.logs: dict[str, str] = {}
        self.reads: list[str] = []
        self.lock = threading.Lock()
        self.on_request = lambda line: None
        stand_in = self

        class Handler(_Handler):
            server_state = stand_in

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if ssl_context is not None:
            self.server.socket = ssl_context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> StandIn:
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{self.prefix}"

    def fail(self, pattern: str, status: int = 500, body: str = "", **more) -> Failure:
        failure = Failure(pattern, status, body, **more)
        self.failures.append(failure)
        return failure

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for line in self.requests)

    def allowed(self, headers) -> bool:
        if not self.tokens and not self.cookies:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return (scheme == "Bearer" and token in self.tokens) or headers.get("cookie", "") in self.cookies

    def failing(self, line: str) -> Failure | None:
        for failure in self.failures:
            if re.search(failure.pattern, line):
                if failure.after > 0:
                    failure.after -= 1
                elif failure.times > 0:
                    failure.times -= 1
                    return failure
        return None


class _Handler(BaseHTTPRequestHandler):
    server_state: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def _serve(self):
        stand_in = self.server_state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        line = f"{self.command} {target.path}"
        with stand_in.lock:
            stand_in.requests.append(line)
            stand_in.headers.append({key.lower(): value for key, value in self.headers.items()})
            failure = stand_in.failing(line)
        stand_in.on_request(line)
        if failure is not None:
            if failure.drop:
                self.close_connection = True
                self.connection.close()
                return
            self._answer(failure.status, failure.body.encode(), failure.content_type, failure.headers)
        elif not stand_in.allowed(self.headers):
            self._refuse(401, "Failed to check authorization. User identity is empty in the request header")
        elif not target.path.startswith(f"{stand_in.prefix}/apis/"):
            self._answer(200, b"<!DOCTYPE html><html><body>Kubeflow</body></html>", "text/html; charset=utf-8")
        elif "/apis/v1alpha1/" in target.path:
            self._log(unquote(target.path))
        else:
            self._call(target, body)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815

    def _log(self, path: str) -> None:
        stand_in = self.server_state
        node = path.split("/")[-2]
        stand_in.reads.append(node)
        missing = json.dumps({"error_message": "Failed to read logs", "error_details": "pod not found"})
        # The real server has sent status 200 before it finds that there is no log.
        self._answer(200, stand_in.logs.get(node, missing).encode(), "text/plain")

    def _call(self, target, body: bytes) -> None:
        stand_in = self.server_state
        path = target.path.removeprefix(stand_in.prefix)
        found = ((route, route.pattern.fullmatch(path)) for route in _ROUTES if route.method == self.command)
        route, match = next(((route, match) for route, match in found if match), (None, None))
        if route is None:
            stand_in.broken.append(f"{self.command} {path}: no such request")
            self._answer(404, b"404 page not found\n", "text/plain; charset=utf-8")
            return
        try:
            query = dict(parse_qsl(target.query, keep_blank_values=True))
            if set(query) - route.query:
                raise InvalidError(f"query parameters {sorted(set(query) - route.query)}")
            arguments = {**{key: unquote(value) for key, value in match.groupdict().items()}, **query}
            if route.name.startswith("upload_"):
                arguments["file"] = self._upload(body)
            elif route.body:
                value = json.loads(body)
                check(value, route.body, answer=False)
                arguments["body"] = value
            elif body:
                raise InvalidError("a body where none is due")
        except (InvalidError, ValueError) as error:
            stand_in.broken.append(f"{self.command} {path}: {error}")
            self._refuse(400, str(error))
            return
        handler = getattr(stand_in.state, route.name, None)
        if handler is None:
            stand_in.broken.append(f"{self.command} {path}: the stand-in does not do {route.name}")
            self._refuse(501, "not implemented")
            return
        try:
            with stand_in.lock:
                answer = copy.deepcopy(handler(**arguments))
        except RefusedError as error:
            self._refuse(error.status, str(error), upload=route.name.startswith("upload_"))
            return
        try:
            check(answer, route.answer, answer=True)
        except InvalidError as error:
            stand_in.broken.append(f"answer to {self.command} {path}: {error}")
        self._answer(200, json.dumps(answer).encode(), "application/json")

    def _upload(self, body: bytes) -> str:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        parts = [part for part in message.iter_parts() if part.get_param("name", header="content-disposition")]
        if [part.get_param("name", header="content-disposition") for part in parts] != ["uploadfile"]:
            raise InvalidError("the form must hold 'uploadfile' and nothing else")
        if not str(parts[0].get_filename()).endswith((".yaml", ".yml")):
            raise InvalidError("the file must be YAML")
        return parts[0].get_payload(decode=True).decode()

    def _refuse(self, status: int, message: str, upload: bool = False) -> None:
        if upload:  # these two requests are not gRPC, and answer in words of their own
            value = {"error_message": message, "error_details": message}
        else:
            value = {"error": message, "code": _CODES.get(status, 2), "message": message, "details": []}
        self._answer(status, json.dumps(value).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str, headers=()) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
