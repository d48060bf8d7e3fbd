"""A Docker daemon for the tests: the machine's own, or one that lives as long as they do."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def docker(*arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Docker's command line."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, input=stdin, check=False)
    assert not check or done.returncode == 0, (
        f"docker {' '.join(arguments)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    )
    return done


def as_root(*command: str) -> list[str]:
    """Return a command that runs as root."""
    return list(command) if os.getuid() == 0 else ["sudo", "-n", *command]


def answers() -> bool:
    return bool(shutil.which("docker")) and docker("info", check=False).returncode == 0


@contextlib.contextmanager
def docker_daemon() -> Iterator[None]:
    """Have DOCKER_HOST name a daemon that answers."""
    if answers():
        yield
        return
    assert shutil.which("dockerd"), "the system tests need Debian's package docker.io"
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))  # a short path: sockets lie below it
    socket = f"unix://{folder}/docker.sock"
    # Without a bridge and its firewall rules it starts in a sandbox too; every container here uses the host's network.
    options = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
    with (folder / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        daemon = subprocess.Popen(
            as_root("dockerd", "--host", socket, *options, *network), stdout=log, stderr=subprocess.STDOUT
        )
        patch.setenv("DOCKER_HOST", socket)
        try:
            deadline = time.monotonic() + 60
            while not answers():
                said = (folder / "log").read_text(errors="replace")[-3000:]
                assert daemon.poll() is None, f"dockerd ended:\n{said}"
                assert time.monotonic() < deadline, f"dockerd does not answer:\n{said}"
                time.sleep(0.3)
            yield
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
            # The daemon leaves its network namespace mounted there.
            subprocess.run(as_root("umount", f"{folder}/exec/netns/default"), capture_output=True, check=False)
            subprocess.run(as_root("rm", "-rf", str(folder)), check=True)
