"""A Ray head with two CPUs, started as an operator would, outside of the process under test."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil


@contextlib.contextmanager
def ray_head(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the address and the process of a head; all of its processes are gone at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    temporary = tempfile.mkdtemp(prefix="ew-head-", dir="/tmp")  # short, for the sockets
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "EW_TEST_MARK": temporary}
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--node-ip-address=127.0.0.1",
        f"--port={port}", "--num-cpus=2", "--include-dashboard=false", f"--temp-dir={temporary}",
    ]  # fmt: skip
    log = folder / "ray.log"
    with log.open("w") as file:
        head = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 120
        while "Ray runtime started" not in log.read_text():
            assert head.poll() is None and time.monotonic() < deadline, log.read_text()  # noqa: PT018
            time.sleep(0.5)
        yield f"127.0.0.1:{port}", head
    finally:
        for process in psutil.process_iter():
            try:
                if process.environ().get("EW_TEST_MARK") == temporary:
                    process.kill()
            except psutil.Error:
                continue
        head.wait(30)
