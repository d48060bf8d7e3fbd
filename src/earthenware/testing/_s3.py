"""An S3 service on the loopback interface, in this process and with nothing behind it."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from earthenware import storage


@dataclass(frozen=True)
class S3Service:
    """A running service, which the environment of this process names.

    Attributes:
        endpoint: Its address.
        environment: The variables that name it, for other processes.
    """

    endpoint: str
    environment: dict[str, str]

    def bucket(self) -> str:
        """Make a new, empty bucket and return its URI."""
        uri = f"s3://test-{uuid.uuid4().hex[:12]}"
        storage.ensure_bucket(uri)
        return uri


@contextlib.contextmanager
def s3_service() -> Iterator[S3Service]:
    """Serve S3 until the context ends, and name the service, and no other, in the environment meanwhile.

    Its state lives in this process: what child processes put there is seen here.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    app = _one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "earthenware",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }
    try:
        with mock.patch.dict(os.environ, {**others, **environment}, clear=True):
            yield S3Service(endpoint, environment)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _one_at_a_time(app: Callable[..., Any]) -> Callable[..., list[bytes]]:
    """Let one request in at a time, once it has come whole: moto looks at a condition and writes in two steps."""
    turn = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        length = environ.get("CONTENT_LENGTH")
        if length or environ.get("wsgi.input_terminated"):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length) if length else -1))
        with turn:
            return list(app(environ, start_response))

    return serve
