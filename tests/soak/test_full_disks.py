"""Steps that run out of room say so, keep what they have, and go on when there is room again.

Where a small file system can be mounted, be it in a namespace of its own, one is filled. Not every machine allows that,
so the sample of every change has two other ways, which need no rights: a limit on the length of files, which fails as a
full disk does, in the same calls, and an object store that refuses what goes beyond its room.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware import storage
from earthenware.steps import read_failure, read_manifest
from tests.small_run import Run
from tests.soak.trials import MADE, Again, Ground, trials, unfinished
from tests.storage.s3_proxy import S3Proxy

LIMITED = """
import resource, sys
from earthenware.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""
FILLED = """
set -e
disk=$1 kept=$2 size=$3; shift 3
mount -t tmpfs -o size=$size none "$disk"
code=0; "$@" || code=$?
cp "$disk/error.json" "$kept/first.json" || true
mount -o remount,size=1g "$disk"
[ $code -eq 0 ] || "$@"
cp -r "$disk/." "$kept"
exit $((code + 100))
"""
"""Run a command on a small file system, then again on the same one grown; it goes when its last process has ended."""
FULL = '<?xml version="1.0"?><Error><Code>XMinioStorageFull</Code><Message>Storage backend is full.</Message></Error>'
STEPS = [step for step in MADE if step not in ("train", "merge")]
"""Ray's own logs are longer than any limit that would hurt, and a merge writes hardly anything."""


def sizes(folder: Path) -> list[int]:
    """Return the lengths of the files of an output that are no small documents."""
    return sorted({path.stat().st_size for path in folder.rglob("*") if path.is_file()} - set(range(4096)))


@trials("full disks")
@pytest.mark.timeout(1800)
def test_files_that_may_not_grow(finished: Run, ground: Ground, seed: int) -> None:
    rng = random.Random(seed)
    step = STEPS[(seed + 1) % len(STEPS)]
    again, where = Again.of(finished, step), str(ground.folder / "out")
    arguments = again.arguments(where, ground.folder)
    limit = max(4096, rng.choice(sizes(finished.output(step))) - 1)
    code, said = ground.finish(ground.start(arguments, ("-c", LIMITED, str(limit))))
    assert code == 3, said
    assert said.count("Error [STORAGE_FULL]") == said.count("Error") == 1, said
    assert "Traceback" not in said
    failure = read_failure(where)
    assert failure
    assert failure.code == "STORAGE_FULL"
    resumed(ground, again, where, arguments)


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@trials("full disks")
@pytest.mark.timeout(1800)
def test_a_store_without_room(finished: Run, ground: Ground, web: HTTPServer, s3: str, bucket: str, seed: int) -> None:
    rng = random.Random(seed)
    step = STEPS[(seed + 3) % len(STEPS)]
    again, where = Again.of(finished, step), storage.join(bucket, "step/out")
    proxy, turn = S3Proxy(web, s3), threading.Lock()
    room = rng.uniform(0, 0.9) * sum(sizes(finished.output(step)))

    def refuse(request: Request) -> Response | None:
        nonlocal room
        with turn:
            length = len(request.get_data()) if request.method == "PUT" else 0
            if length > room:
                return Response(FULL, status=507, content_type="application/xml")
            room -= length
        return None

    proxy.refuse = refuse
    arguments = again.arguments(where, ground.folder)
    code, said = ground.finish(ground.start(arguments, AWS_ENDPOINT_URL=proxy.url, EARTHENWARE_STORE_SECONDS="1"))
    assert code == 3, said
    assert said.count("Error [STORAGE_FULL]") == said.count("Error") == 1, said
    assert "Traceback" not in said
    resumed(ground, again, where, arguments)


@trials("full disks", sample=False)
@pytest.mark.timeout(1800)
def test_a_small_file_system(finished: Run, ground: Ground, seed: int) -> None:
    rng = random.Random(seed)
    step = STEPS[seed % len(STEPS)]
    disk, kept = ground.folder / "disk", ground.folder / "kept"
    disk.mkdir()
    kept.mkdir()
    again = Again.of(finished, step)
    size = max(32768, int(rng.uniform(0.1, 0.9) * sum(sizes(finished.output(step)))))
    alone = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    command = [sys.executable, "-m", "earthenware", *again.arguments(str(disk), ground.folder)]
    shell = [*alone, "sh", "-c", FILLED, "sh", str(disk), str(kept), str(size), *command]
    code, said = ground.finish(ground.start(shell, ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])")))
    assert code == 103, said
    assert said.count("Error [STORAGE_FULL]") == said.count("Error") == 1, said
    assert "Traceback" not in said
    assert storage.read_json(str(kept / "first.json"))["code"] == "STORAGE_FULL"
    assert read_manifest(str(kept)).digest == again.digest
    assert unfinished(str(kept)) == []
    assert ground.left() == []


def resumed(ground: Ground, again: Again, where: str, arguments: list[str]) -> None:
    """Run a step again, with room."""
    code, said = ground.finish(ground.start(arguments))
    assert code == 0, said
    assert read_manifest(where).digest == again.digest
    assert unfinished(where) == []
    assert ground.left() == []
