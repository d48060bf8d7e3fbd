"""The CPU image itself: what is in it, how small it is, and that its processes end."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from earthenware import __version__
from tests.images.conftest import REVISION
from tests.images.daemon import docker
from tests.images.dockerfile import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

# As restricted as Kubernetes' strictest standard: no rights, no network, nothing to write to but /scratch.
SEALED = ("--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
SCRATCH = ("--tmpfs", "/scratch:mode=1777")


def run(image: str, *command: str) -> str:
    return docker("run", *SEALED, *SCRATCH, image, *command).stdout


def test_no_arguments_print_help(image: str) -> None:
    said = docker("run", *SEALED, image)
    assert said.stdout.startswith("Usage: earthenware")
    assert "pretrain" in said.stdout


def test_the_user_has_no_rights_and_may_write_to_scratch_only(image: str) -> None:
    said = run(image, "sh", "-c", "id -u; id -g; pwd; touch /scratch/x && echo scratch; touch /opt/x || echo sealed")
    assert said.splitlines() == ["10001", "10001", "/scratch", "scratch", "sealed"]
    writable = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/scratch*' 2>/dev/null || true"
    found = set(docker("run", "--rm", "--network", "none", image, "sh", "-c", writable).stdout.split())
    assert all(path.startswith(("/dev/", "/tmp", "/var/tmp", "/run/lock")) for path in found), found


def test_no_build_tool_is_in_it(image: str) -> None:
    tools = "gcc cc g++ make cmake pip pip3 git curl dpkg-buildpackage hatch cyclonedx-py"
    assert run(image, "sh", "-c", f"for tool in {tools}; do command -v $tool; done; true") == ""
    for module in ("pip", "ensurepip", "setuptools"):
        failed = docker("run", *SEALED, image, "python3", "-c", f"import {module}", check=False)
        assert failed.returncode, module


def test_every_library_loads(image: str) -> None:
    modules = "torch ray lightning rasterio odc.geo mlflow kfp great_expectations zarrs obstore pyarrow.parquet"
    modules += " scipy.stats sklearn.linear_model kubernetes minio flask_wtf psycopg2"
    said = run(image, "python3", "-c", f"import {', '.join(modules.split())}; print(torch.__version__)")
    assert said.split()[-1].partition("+")[0] == pins()["torch"]


def test_ray_jobs_can_be_submitted_and_probed_as_kuberay_does(image: str) -> None:
    for command in ("command -v wget", "ray job submit --help", "ray start --help"):
        assert run(image, "bash", "-lc", command), command


def test_it_is_under_three_gigabytes(image: str) -> None:
    size = json.loads(docker("image", "inspect", image).stdout)[0]["Size"]
    assert 1e9 < size < 3e9


def test_labels(image: str) -> None:
    labels = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == REVISION


def test_the_list_of_materials_names_every_package_at_its_pinned_version(image: str) -> None:
    bill = json.loads(run(image, "cat", "/opt/earthenware/share/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    listed = {canonical(part["name"]): part["version"].partition("+")[0] for part in bill["components"]}
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    installed = {canonical(name): version for name, version in json.loads(run(image, "python3", "-c", code)).items()}
    assert {"torch", "ray", "kfp", "mlflow"} <= set(listed)
    assert {**listed, "earthenware": __version__}.keys() == installed.keys()
    pinned = pins()
    assert {name: pinned.get(name) for name in listed if name != "earthenware"} == {
        name: version for name, version in listed.items() if name != "earthenware"
    }


def test_an_mlflow_server_ends_on_sigterm(image: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--detach", "--read-only", "--network", "host", "--env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"]
    server = ["mlflow", "server", "--port", str(port), "--backend-store-uri", "sqlite:////scratch/mlflow.db"]
    name = docker("run", *options, *SCRATCH, image, *server).stdout.strip()
    try:
        wait_for(f"http://127.0.0.1:{port}/health", name)
        began = time.monotonic()
        docker("stop", "--time", "30", name)
        assert time.monotonic() - began < 10
    finally:
        docker("rm", "--force", name)


def wait_for(url: str, container: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
            return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, docker("logs", container).stderr[-3000:]
            time.sleep(0.5)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    return {canonical(name): version for name, _, version in lines}
