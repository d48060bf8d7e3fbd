"""An S3 service on the loopback interface, in this process and with nothing behind it."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
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
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
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
        server.stop()
