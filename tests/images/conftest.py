"""The CPU image, built once on a base that debootstrap makes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from earthenware import __version__
from tests.images.base import BASE, make_base, pip_settings
from tests.images.daemon import docker, docker_daemon

ROOT = Path(__file__).resolve().parents[2]
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the CPU image, made from the checkout, or that EARTHENWARE_TEST_IMAGE names: made before."""
    if os.environ.get("EARTHENWARE_TEST_IMAGE"):
        yield os.environ["EARTHENWARE_TEST_IMAGE"]
        return
    folder = tmp_path_factory.mktemp("image")
    name = f"earthenware-test/earthenware-python:{__version__}"
    with docker_daemon(), pip_settings(folder / "packages") as pip, pytest.MonkeyPatch.context() as patch:
        if subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode:
            patch.setenv("DOCKER_BUILDKIT", "0")
        make_base(folder, pip)
        values = {"BASE_IMAGE": BASE, "VERSION": __version__, "REVISION": REVISION}
        if "find-links" in pip or "extra-index-url" in pip or "index-url" in pip:
            values["TORCH_INDEX_URL"] = ""  # this machine's own indexes have torch
        arguments = [part for key, value in values.items() for part in ("--build-arg", f"{key}={value}")]
        file = ROOT / "images" / "earthenware" / "Dockerfile"
        docker("build", "--network", "host", *arguments, "--file", str(file), "--tag", name, str(ROOT))
        yield name
        docker("image", "rm", "--force", name, BASE, check=False)
