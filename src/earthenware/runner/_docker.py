"""Steps in containers on this machine: what ``earthenware run --runner docker`` asks of the Docker daemon.

Kubeflow's DockerRunner starts one container per step. This module says how: as a user without rights, on a read-only
file system, with the folders of the run at the paths they have here, and with an end for every container, however the
run ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from earthenware import storage
from earthenware.errors import EarthenwareError, first_line
from earthenware.runner import _keeper
from earthenware.runner._children import SHELL_LEAVES, SHELL_WAITS, replaced
from earthenware.steps import EVENTS_VARIABLE

USER: Final = 10001
"""User and group id of the image, for steps that root starts; other users' steps run under their own ids."""
SCRATCH: Final = "/scratch"
_SHARED_MEMORY: Final = "2g"
"""Limit of /dev/shm, where Ray keeps objects; Docker's own default is 64 MB."""
_PASSED: Final = re.compile(r"(AWS|MLFLOW|GDAL|PC_SDK)_\w+|OMP_NUM_THREADS|(https?|all|no)_proxy", re.IGNORECASE)
"""Variables that containers get from here."""


def images(spec: Any) -> list[str]:
    """Return the images that a ``PipelineSpec`` names."""
    from google.protobuf import json_format

    executors = json_format.MessageToDict(spec.deployment_spec)["executors"].values()
    return sorted({executor["container"]["image"] for executor in executors if "container" in executor})


def find_image(image: str) -> None:
    """Look for an image on this machine, then in its registry; raise ``NO_DOCKER`` or ``NO_IMAGE``."""
    import docker
    from docker.errors import APIError, DockerException, ImageNotFound

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        reason = first_line(error)
        remedy = "Start it, or name another with DOCKER_HOST; '--runner process' needs none."
        raise EarthenwareError("NO_DOCKER", f"The Docker daemon does not answer: {reason}.", remedy) from None
    with contextlib.closing(client):
        try:
            client.images.get(image)
        except ImageNotFound:
            click.echo(f"Pulling {image}", err=True)
            try:
                client.images.pull(image)
            except APIError as error:
                reason = first_line(error.explanation or error)
                message = f"The image {image} is not on this machine and cannot be pulled: {reason}."
                remedy = "Build it with 'make images', or name another with --image."
                raise EarthenwareError("NO_IMAGE", message, remedy) from None


def prepare_root(root: str) -> None:
    """Make a local root for the steps' user, or raise ``ROOT_NOT_WRITABLE`` where it is another user's."""
    if not storage.is_local(root):
        return
    folder, (user, group) = storage.local_path(root), _user()
    if not folder.exists():
        _own(folder)
    state = folder.stat()
    mine, ours = state.st_uid == user and state.st_mode & 0o200, state.st_gid == group and state.st_mode & 0o020
    if not (mine or ours or state.st_mode & 0o002):
        message = f"The root '{folder}' is not writable for user {user}, under whom steps run in containers."
        remedy = f"Give another root, or change the owner: chown -R {user}:{group} '{folder}'."
        raise EarthenwareError("ROOT_NOT_WRITABLE", message, remedy)


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """Return those variables that containers get: credentials, endpoints and proxies, nothing about this machine."""
    # Importing rasterio sets GDAL_CURL_CA_BUNDLE to a file of this installation; the image's has its own.
    here = f"{sys.prefix}{os.sep}"
    return {name: value for name, value in values.items() if _PASSED.fullmatch(name) and not value.startswith(here)}


def _user() -> tuple[int, int]:
    return (os.getuid(), os.getgid()) if os.getuid() else (USER, USER)


def _own(folder: Path) -> None:
    """Make a folder that belongs to the steps' user."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        os.chown(folder, *_user())


class Containers:
    """The containers of one run, each with the run's name as a label; use it as a context manager.

    A local root is mounted where it lies, and read-only the folder of each catalog on this machine. The folder of the
    run holds events and Kubeflow's pointer artifacts.
    """

    def __init__(self, root: str, catalogs: Sequence[str], folder: Path) -> None:
        self._root, self._catalogs, self._folder = root, catalogs, folder
        self._events = folder / "events"
        self._stopping = threading.Event()
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Containers:
        for folder in (self._events, self._folder / "artifacts"):
            _own(folder)
        # In a session of its own, where Ctrl-C does not reach it; without the guardian's mark, which would end it.
        self._keeper = subprocess.Popen(
            [sys.executable, "-P", str(Path(_keeper.__file__)), f"{_keeper.LABEL}={self._folder.name}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != "EARTHENWARE_GUARD"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._keeper:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(timeout=30)

    def stop(self) -> None:
        """Start no container any more, and have those that run end: SIGTERM, and SIGKILL ten seconds later."""
        self._stopping.set()
        if self._keeper and self._keeper.stdin:
            with contextlib.suppress(OSError):  # somebody killed the keeper
                self._keeper.stdin.close()

    def runner(self) -> Any:
        """Return Kubeflow's DockerRunner with the options of every container."""
        from kfp import local

        variables = environment(os.environ)
        return local.DockerRunner(
            user=":".join(map(str, _user())),
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            shm_size=_SHARED_MEMORY,
            # An address means what it means to a process here: a store or an MLflow server on localhost is found.
            network_mode="host",
            mounts=self._mounts(variables),
            labels={_keeper.LABEL: self._folder.name},
            environment={**variables, EVENTS_VARIABLE: str(self._events)},
        )

    def _mounts(self, variables: Mapping[str, str]) -> list[Any]:
        from docker.types import Mount

        # An anonymous volume lies on the daemon's disk and goes with its container; it takes over the mode 1777 that
        # the folder has in the image, so that every user may write there.
        mounts = [Mount(SCRATCH, None), Mount(str(self._events), str(self._events), type="bind")]
        writable = ""
        if storage.is_local(self._root):
            writable = str(storage.local_path(self._root))
            mounts.append(Mount(writable, writable, type="bind"))
        read_only = {value for value in variables.values() if value.startswith("/") and Path(value).is_file()}
        for catalog in self._catalogs:
            folder = storage.local_path(catalog).parent
            if not (writable and folder.is_relative_to(writable)):
                read_only.add(str(folder))
        return [*mounts, *(Mount(path, path, type="bind", read_only=True) for path in sorted(read_only))]

    def in_charge(self) -> contextlib.AbstractContextManager[None]:
        """Within this block kfp.local starts its containers through this object.

        Its own function takes a container that is gone before it was asked for its exit code for one that succeeded,
        and a gate that passes by such a chance is none.
        """
        from kfp.local import docker_task_handler

        return replaced(docker_task_handler, "run_docker_container", self._run)

    def _run(self, client: Any, image: str, command: list[str], volumes: dict[str, Any], **options: Any) -> int:
        command = [part.replace(SHELL_WAITS, SHELL_LEAVES) for part in command]
        container = client.containers.create(image, command, volumes=volumes, **options)
        try:
            if self._stopping.is_set():
                return 143
            container.start()
            for line in container.logs(stream=True, follow=True):
                click.echo(line.decode(errors="replace"), nl=False)
            return int(container.wait()["StatusCode"])
        finally:
            _keeper.remove(container)
