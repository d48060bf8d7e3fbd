"""A PostgreSQL server for the tests, from the system's packages."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.charts.containers import open_folder


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which(name, path=os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", "")]))
    assert found, f"PostgreSQL's {name} is not installed: install the package 'postgresql'"
    return found


@dataclass(frozen=True)
class Postgresql:
    """A server on the loopback interface; ``password`` is that of the user ``mlflow``, who may make databases."""

    port: int
    password: str

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run statements as the user and return what they answer, unaligned."""
        command = [_program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "mlflow", "-d", database]
        environment = {**os.environ, "PGPASSWORD": self.password}
        options = ["-v", "ON_ERROR_STOP=1", "-qAt"]
        done = subprocess.run(
            [*command, *options], input=text, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def postgresql(password: str) -> Iterator[Postgresql]:
    """Run a new server; it refuses to be root, so root runs it as the package's user."""
    owner = "postgres" if os.geteuid() == 0 else None
    identity: dict[str, Any] = {"user": owner, "group": owner, "extra_groups": []} if owner else {}
    with open_folder(owner) as folder:
        file = folder / "password"
        file.write_text(password)
        file.chmod(0o644)
        data = str(folder / "data")
        setup = [_program("initdb"), "-D", data, "-U", "mlflow", "-A", "scram-sha-256", f"--pwfile={file}", "--no-sync"]
        subprocess.run(setup, check=True, capture_output=True, timeout=120, cwd=folder, **identity)
        port = free_port()
        settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        log = (folder / "log").open("w")
        server = subprocess.Popen(
            [_program("postgres"), "-D", data, "-p", str(port), *settings],
            cwd=folder,
            stdout=log,
            stderr=log,
            **identity,
        )
        try:
            deadline = time.monotonic() + 60
            ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready).returncode != 0:
                given_up = server.poll() is not None or time.monotonic() > deadline
                assert not given_up, (folder / "log").read_text()
                time.sleep(0.1)
            yield Postgresql(port, password)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)
            log.close()
