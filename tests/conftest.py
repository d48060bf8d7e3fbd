"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.small_run import finished as finished
from tests.small_run import small_catalog as small_catalog
from tests.tiny_chain import chain as chain

if TYPE_CHECKING:
    from earthenware.testing import S3Service

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("earthenware", deadline=None)
hypothesis.settings.load_profile("earthenware")


def pytest_configure() -> None:
    """Hear Ctrl-C, as the commands that tests start do: a shell's background jobs are told not to, and pass that on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file on one worker, and all that use the image: what their fixtures make is made once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/images" if nodeid.startswith("tests/images/") else super()._split_scope(nodeid)

    return Scheduling(config, log)


REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real pixels and recorded STAC answers; skips where it does not lie beside the checkout."""
    folder = Path(os.environ.get("EARTHENWARE_REALDATA", REPOSITORY.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip(f"no real data beside the checkout ({folder} is absent; set EARTHENWARE_REALDATA)")
    return folder


@pytest.fixture(scope="session")
def s3_service() -> Iterator[S3Service]:
    """An S3 service on the loopback interface, which the environment names while it runs."""
    from earthenware.testing import s3_service

    with s3_service() as service:
        yield service


@pytest.fixture(scope="session")
def s3(s3_service: S3Service) -> str:
    """The endpoint of the S3 service."""
    return s3_service.endpoint


@pytest.fixture
def bucket(s3_service: S3Service) -> str:
    """The URI of a new, empty bucket, made and checked through the MinIO client."""
    return s3_service.bucket()
