"""The API server of Kubernetes on the loopback interface: it keeps objects, and has nothing behind it."""

from __future__ import annotations

import json
import re
import ssl
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

_PATH: Final = re.compile(r"/apis?(?:/([^/]+\.[^/]+))?/v\w+(?:/namespaces/([^/]+))?/(\w+)(?:/([^/]+))?(?:/(\w+))?")
_VERBS: Final = {"GET": "get", "POST": "create", "DELETE": "delete"}


@dataclass(frozen=True)
class KubernetesRequest:
    """What is asked, in the words of a Role; of another path than a resource's all words but the verb are empty."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    path: str
    query: dict[str, str]
    accept: str
    body: Any


class KubernetesServer:
    """An API server with one namespace, which a bearer token opens.

    Objects are created, read, listed by labels and deleted. A test that wants more overrides :meth:`answer`; a
    ``ConnectionError`` from there breaks the connection off.

    Attributes:
        objects: What exists, by its path.
        requests: What was asked so far.
        token: The token that is accepted.
        port: Where it listens, at the same one again after it was closed and opened.
    """

    def __init__(self, namespace: str, token: str = "token-1", tls: ssl.SSLContext | None = None) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[KubernetesRequest] = []
        self.namespace, self.token, self.port = namespace, token, 0
        self._tls = tls
        self.open()

    def open(self) -> None:
        """Listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), type("Handler", (_Handler,), {"api": self}))
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, path: Path, *, token: str = "", server: str = "") -> str:
        """Write a kubeconfig for this server, or with another token or for another address; return its path."""
        cluster = {"name": "c", "cluster": {"server": server or f"http://127.0.0.1:{self.port}"}}
        user = {"name": "u", "user": {"token": token or self.token}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": self.namespace}}
        lists = {"clusters": [cluster], "users": [user], "contexts": [context]}
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x", **lists}))
        new.replace(path)  # at once, as it may be read meanwhile
        return str(path)

    def answer(self, request: KubernetesRequest) -> tuple[int, Any]:
        """Return a status, and what to send: a JSON value, or an iterator of bytes, which are sent as they come."""
        path, what = request.path, f"{request.resource}.{request.group}".rstrip(".")
        if request.verb == "create":
            meta = request.body["metadata"]
            path = f"{path}/{meta['name']}"
            if request.namespace != self.namespace:
                return self.status(404, f'namespaces "{request.namespace}" not found')
            if path in self.objects:
                return self.status(409, f'{what} "{meta["name"]}" already exists')
            self.objects[path] = request.body
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
            return 201, request.body
        if request.verb == "list":
            wanted = dict(pair.split("=") for pair in request.query.get("labelSelector", "").split(",") if pair)
            there = [one for key, one in list(self.objects.items()) if key.rpartition("/")[0] == path]
            found = [one for one in there if wanted.items() <= one["metadata"].get("labels", {}).items()]
            return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}
        if path not in self.objects:
            return self.status(404, f'{what} "{request.name}" not found')
        if request.verb == "delete":
            uid = ((request.body or {}).get("preconditions") or {}).get("uid")
            if uid and uid != self.objects[path]["metadata"]["uid"]:
                return self.status(409, "the UID in the precondition does not match")
            del self.objects[path]
            return self.status(200, "")
        return 200, self.objects[path]

    @staticmethod
    def status(code: int, message: str) -> tuple[int, Any]:
        """Return the answer that tells what became of a request."""
        word = "Success" if code < 400 else "Failure"
        return code, {"kind": "Status", "apiVersion": "v1", "status": word, "message": message, "code": code}


class _Handler(BaseHTTPRequestHandler):
    api: KubernetesServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        url, length = urlsplit(self.path), int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        match = _PATH.fullmatch(url.path)
        group, namespace, resource, name, part = (word or "" for word in (match.groups() if match else [""] * 5))
        verb = "list" if self.command == "GET" and resource and not name else _VERBS[self.command]
        resource, query = f"{resource}/{part}".rstrip("/"), dict(parse_qsl(url.query))
        accept = self.headers.get("Accept", "")
        request = KubernetesRequest(verb, group, resource, namespace, name, url.path, query, accept, body)
        self.api.requests.append(request)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            if (scheme.lower(), token) == ("bearer", self.api.token):
                self._send(*self.api.answer(request))
            else:
                self._send(*self.api.status(401, "Unauthorized"))
        except ConnectionError:
            self.close_connection = True

    do_POST = do_DELETE = do_GET  # noqa: N815 - http.server wants these names

    def _send(self, code: int, value: Any) -> None:
        self.send_response(code)
        if isinstance(value, Iterator):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for data in value:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        data = json.dumps(value).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
