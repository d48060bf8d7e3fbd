"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.tiny_chain import chain as chain

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("earthenware", deadline=None)
hypothesis.settings.load_profile("earthenware")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real pixels and recorded STAC answers; skips where it does not lie beside the checkout."""
    folder = Path(os.environ.get("EARTHENWARE_REALDATA", REPOSITORY.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip(f"no real data beside the checkout ({folder} is absent; set EARTHENWARE_REALDATA)")
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The endpoint of an S3 service on the loopback interface, which the environment names while it runs.

    Its state lives in this process: what a test's child processes put there, the test sees.
    """
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    values = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "earthenware",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in values.items():
            patch.setenv(name, value)
        yield endpoint
    server.stop()


@pytest.fixture
def bucket(s3: str) -> str:
    """The URI of a new, empty bucket, made and checked through the MinIO client."""
    from earthenware import storage

    uri = f"s3://test-{uuid.uuid4().hex[:12]}"
    assert storage.ensure_bucket(uri)
    return uri
