"""Steps in containers: what they are given, what they are refused, and errors that say what to do."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer

from earthenware.cli._main import _call
from earthenware.compiling import compile_pipeline, load_profile
from earthenware.errors import EarthenwareError
from earthenware.runner import _children, _docker
from earthenware.runner._docker import USER, Containers, environment, find_image, images, prepare_root

IMAGE = "registry.example/earthenware-python:1"


@pytest.fixture
def daemon(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A Docker daemon that answers, and has no image."""
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{httpserver.port}")
    httpserver.expect_request("/version").respond_with_json({"ApiVersion": "1.44"})
    httpserver.expect_request("/v1.44/_ping").respond_with_data("OK")
    httpserver.expect_request(f"/v1.44/images/{IMAGE}/json").respond_with_json({"message": "No such image"}, 404)
    return httpserver


def test_no_daemon_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EarthenwareError) as raised:
        find_image(IMAGE)
    assert raised.value.code == "NO_DOCKER"
    assert "DOCKER_HOST" in raised.value.remedy


def test_an_image_that_is_nowhere_is_one_clear_error(daemon: HTTPServer) -> None:
    create = daemon.expect_request(
        "/v1.44/images/create", query_string="tag=1&fromImage=registry.example%2Fearthenware-python"
    )
    create.respond_with_json({"message": "pull access denied"}, 404)
    with pytest.raises(EarthenwareError) as raised:
        find_image(IMAGE)
    assert raised.value.code == "NO_IMAGE"
    assert IMAGE in raised.value.message
    assert "pull access denied" in raised.value.message
    assert "make images" in raised.value.remedy


def test_an_image_that_is_there_is_not_pulled(daemon: HTTPServer) -> None:
    other = "registry.example/other-python:2"
    daemon.expect_request(f"/v1.44/images/{other}/json").respond_with_json({"Id": "sha256:1", "RepoTags": [other]})
    find_image(other)
    assert not [request for request, _ in daemon.log if request.path.endswith("/create")]


def test_containers_get_credentials_and_addresses_but_not_this_machines_settings() -> None:
    given = environment(
        {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_ENDPOINT_URL": "b",
            "MLFLOW_TRACKING_URI": "c",
            "https_proxy": "d",
            "NO_PROXY": "e",
            "GDAL_CURL_CA_BUNDLE": f"{sys.prefix}/lib/cacert.pem",
            "PATH": "/here",
            "HOME": "/home/somebody",
            "EARTHENWARE_GUARD": "mark",
            "SSH_AUTH_SOCK": "f",
        }
    )
    assert given == {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_ENDPOINT_URL": "b",
        "MLFLOW_TRACKING_URI": "c",
        "https_proxy": "d",
        "NO_PROXY": "e",
    }


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The options of every container of a run whose catalog, root and certificates are local."""
    certificates = tmp_path / "certificates.pem"
    certificates.write_text("")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    (tmp_path / "earth").mkdir()
    folder = tmp_path / "root" / "runs" / "1"
    runner = Containers(str(tmp_path / "root"), [str(tmp_path / "earth" / "items.json")], folder).runner()
    return dict(runner.container_run_args)


def test_containers_have_no_rights_and_a_read_only_root(options: dict[str, object]) -> None:
    assert options["user"] == (f"{os.getuid()}:{os.getgid()}" if os.getuid() else f"{USER}:{USER}")
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges"]
    assert options["labels"] == {"earthenware.run": "1"}
    assert "privileged" not in options


def test_folders_lie_where_they_lie_here_and_only_the_runs_own_are_writable(
    options: dict[str, object], tmp_path: Path
) -> None:
    mounts = {mount["Target"]: mount for mount in options["mounts"]}  # type: ignore[attr-defined]
    own = {str(tmp_path / "root"), str(tmp_path / "root" / "runs" / "1" / "events")}
    read_only = {str(tmp_path / "earth"), str(tmp_path / "certificates.pem")}
    assert mounts.keys() == own | read_only | {"/scratch"}
    assert mounts["/scratch"]["Type"] == "volume"
    for path in own | read_only:
        assert (mounts[path]["Source"], mounts[path]["Type"]) == (path, "bind")
        assert bool(mounts[path].get("ReadOnly")) == (path in read_only)


def test_a_remote_root_and_catalog_mount_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    runner = Containers("s3://bucket/x", [], tmp_path / "1").runner()
    targets = {mount["Target"] for mount in runner.container_run_args["mounts"]}
    assert targets == {"/scratch", str(tmp_path / "1" / "events")}


def test_a_new_root_belongs_to_the_steps_user(tmp_path: Path) -> None:
    prepare_root(str(tmp_path / "new"))
    assert (tmp_path / "new").stat().st_uid == (os.getuid() or USER)
    prepare_root(str(tmp_path / "new"))


def test_a_root_that_the_steps_may_not_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_docker, "_user", lambda: (54321, 54321))
    tmp_path.chmod(0o755)
    with pytest.raises(EarthenwareError) as raised:
        prepare_root(str(tmp_path))
    assert raised.value.code == "ROOT_NOT_WRITABLE"
    assert f"chown -R 54321:54321 '{tmp_path}'" in raised.value.remedy
    tmp_path.chmod(stat.S_IRWXU | stat.S_IRWXO)
    prepare_root(str(tmp_path))


def test_the_shell_of_every_step_makes_way_for_python(tmp_path: Path) -> None:
    """Otherwise a signal ends the shell, and with it the container, before the step has cleaned up."""
    compiled = compile_pipeline("pretrain", load_profile("laptop"), IMAGE)
    assert images(compiled.spec) == [IMAGE]
    document = next(yaml.safe_load_all(compiled.text))
    (tmp_path / "python3").write_text('#!/bin/sh\necho "$$ $_KFP_RUNTIME"\n')
    (tmp_path / "python3").chmod(0o755)
    for executor in document["deploymentSpec"]["executors"].values():
        shell, option, script, *_ = executor["container"]["command"]
        assert _children.SHELL_WAITS in script
        process = subprocess.Popen(
            [shell, option, script.replace(_children.SHELL_WAITS, _children.SHELL_LEAVES), "pass"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        said, _ = process.communicate(timeout=30)
        assert said == f"{process.pid} true\n"


def test_an_image_without_containers_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert _call(["run", "pretrain", "--spec", str(tmp_path / "none.yaml"), "--image", IMAGE]) == 2
    assert "--runner docker" in capsys.readouterr().err
