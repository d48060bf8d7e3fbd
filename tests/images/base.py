"""A Debian base image made on the spot, which reaches package registries the way this machine does."""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.images.daemon import as_root, docker

BASE = "earthenware-test/python-base"
_BOOTSTRAP = "earthenware-test/bookworm"
_DOCKERFILE = f"""FROM {_BOOTSTRAP}
COPY apt.conf /etc/apt/apt.conf.d/99machine
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends python3.11 python3.11-venv \\
    && rm -rf /var/lib/apt/lists/*
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def make_base(folder: Path, pip: dict[str, str]) -> None:
    """Make the image :data:`BASE`: Debian bookworm with Python 3.11 and this machine's registries.

    Args:
        folder: Folder to work in.
        pip: Configuration of pip in the image.
    """
    assert shutil.which("debootstrap"), "the system tests need Debian's package debootstrap"
    root = folder / "rootfs"
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(root), _debian_mirror()]
    subprocess.run(as_root(*command), check=True, capture_output=True)
    try:
        packed = subprocess.Popen(as_root("tar", "-C", str(root), "-c", "."), stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", _BOOTSTRAP], stdin=packed.stdout, check=True, capture_output=True)
        assert packed.wait() == 0
    finally:
        subprocess.run(as_root("rm", "-rf", str(root)), check=True)
    context = folder / "base"
    context.mkdir()
    (context / "Dockerfile").write_text(_DOCKERFILE)
    (context / "apt.conf").write_text(_apt_settings())
    (context / "pip.conf").write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in pip.items()))
    shutil.copy(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), context / "certificates.crt")
    docker("build", "--network", "host", "--tag", BASE, str(context))


@contextlib.contextmanager
def pip_settings(folder: Path) -> Iterator[dict[str, str]]:
    """Yield this machine's configuration of pip as containers can use it: local folders are served on the loopback."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    wanted = ("index-url", "extra-index-url", "find-links", "trusted-host", "timeout")
    settings = {}
    for line in said.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in wanted:
            settings[key] = str(ast.literal_eval(value))
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def served(place: str) -> str:
        path = Path(urlsplit(place).path)
        if urlsplit(place).scheme not in ("", "file"):
            return place
        if path.name == "simple":  # an index refers to files beside itself
            return f"{_serve(folder, path.parent, server.server_port)}simple/"
        return _serve(folder, path, server.server_port)

    try:
        for key in ("index-url", "extra-index-url", "find-links"):
            if key in settings:
                settings[key] = " ".join(served(place) for place in settings[key].split())
        yield settings
    finally:
        server.shutdown()


def _serve(folder: Path, path: Path, port: int) -> str:
    name = re.sub(r"\W", "-", str(path))
    if not (folder / name).exists():
        (folder / name).symlink_to(path)
    return f"http://127.0.0.1:{port}/{name}/"


def _debian_mirror() -> str:
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True
    )
    found = [site for site in said.stdout.split() if site.rstrip("/").endswith("/debian")]
    return found[0] if found else "http://deb.debian.org/debian"


def _apt_settings() -> str:
    """Return the lines of this machine's apt configuration that say how a mirror is reached."""
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    pattern = r"Acquire::(?:https?::(?:\S+::)?Proxy|Check-\S+)\b.*"
    return "".join(f"{line}\n" for line in said.stdout.splitlines() if re.match(pattern, line))
