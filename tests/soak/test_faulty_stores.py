"""Steps on an object store that fails in one way or another: they end as on a good one, or say why and resume."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware import storage
from earthenware.steps import read_manifest
from tests.small_run import Run
from tests.soak.trials import MADE, Again, Ground, trials, unfinished
from tests.storage.s3_proxy import S3Proxy, hang_up

STEPS = [step for step in MADE if step != "train"]  # its checkpoints and its tracking have tests of their own
DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>'


@pytest.fixture(scope="module")
def web() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@pytest.fixture
def proxy(web: HTTPServer, s3: str) -> Iterator[S3Proxy]:
    yield S3Proxy(web, s3)
    web.clear()


@pytest.fixture(scope="module")
def root(finished: Run, s3_service) -> str:
    """The root of the finished run in a bucket: steps read there, too."""
    bucket = s3_service.bucket()
    for path in finished.root.glob("[!r]*/*/**/*"):  # but not the report, nor the logs of the run
        if path.is_file():
            storage.upload_file(path, storage.join(bucket, path.relative_to(finished.root).as_posix()))
    return bucket


def unavailable(proxy: S3Proxy, rng: random.Random) -> None:
    """Three of ten requests are put off."""
    proxy.refuse = lambda _: Response(status=503) if rng.random() < 0.3 else None


def answers_lost(proxy: S3Proxy, rng: random.Random) -> None:
    """The store does what is asked, and one answer of five does not arrive."""
    proxy.lose = lambda _: rng.random() < 0.2


def slow(proxy: S3Proxy, rng: random.Random) -> None:
    """Each answer takes up to 0.3 s."""
    proxy.refuse = lambda _: time.sleep(rng.uniform(0, 0.3))


def dead_for_seconds(proxy: S3Proxy, rng: random.Random) -> None:
    """From some request on connections break off, for less or longer than the client has patience."""
    number, seconds, began = rng.randint(1, 40), rng.uniform(1, 10), []

    def refuse(request: Request) -> Response | None:
        if len(proxy.requests) >= number:
            began.append(time.monotonic())
        if began and time.monotonic() < began[0] + seconds:
            hang_up(request)
            return Response(status=503)
        return None

    proxy.refuse = refuse


def rights_lost(proxy: S3Proxy, rng: random.Random) -> None:
    """From some request on none is allowed."""
    number = rng.randint(1, 40)
    denied = Response(DENIED, status=403, content_type="application/xml")
    proxy.refuse = lambda _: denied if len(proxy.requests) >= number else None


FAULTS: tuple[Callable[[S3Proxy, random.Random], None], ...] = (
    unavailable,
    answers_lost,
    slow,
    dead_for_seconds,
    rights_lost,
)


@trials("faulty stores")
@pytest.mark.timeout(1800)
def test_a_step_on_a_faulty_store_ends_as_on_a_good_one_or_says_why(
    finished: Run, root: str, proxy: S3Proxy, ground: Ground, bucket: str, seed: int
) -> None:
    rng = random.Random(seed)
    again = Again.of(finished, STEPS[seed % len(STEPS)], root)
    where = storage.join(bucket, "step/out")
    FAULTS[seed % len(FAULTS)](proxy, rng)
    arguments = again.arguments(where, ground.folder)
    code, said = ground.finish(ground.start(arguments, AWS_ENDPOINT_URL=proxy.url, EARTHENWARE_STORE_SECONDS="5"))
    assert proxy.requests
    assert "Traceback" not in said
    assert code in (0, 3), said
    if code == 3:
        assert said.count("Error [STORAGE_") == said.count("Error") == 1, said
        code, said = ground.finish(ground.start(arguments))
        assert code == 0, said
    assert read_manifest(where).digest == again.digest
    assert unfinished(where) == []
    assert ground.left() == []
