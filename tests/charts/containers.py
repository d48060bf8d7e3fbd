"""Running a rendered container's command here, as the kubelet would: its arguments, environment and mounts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.charts.release import Document, Pod, Release, pods


@contextmanager
def open_folder(owner: str | None = None) -> Iterator[Path]:
    """A new folder that another user can reach and owns; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="earthenware-"))
    if owner is not None:
        shutil.chown(folder, owner, owner)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Host:
    """Where containers of one release run.

    Attributes:
        release: The rendered release.
        secrets: Keys and values of the Secrets that exist, by name.
        folder: Volumes become folders in it.
        replaced: Texts in arguments that stand for something else here, such as a Service's host name.
    """

    release: Release
    secrets: dict[str, dict[str, str]]
    folder: Path
    replaced: dict[str, str] = field(default_factory=dict)

    def container(self, owner: str, name: str) -> tuple[Pod, Document]:
        """Return a pod by its owner's name and one of its containers."""
        for pod in pods(self.release.documents):
            for where, container in pod.containers():
                if where.endswith(f"/{owner}/{name}"):
                    return pod, container
        raise KeyError(f"{owner}/{name}")

    def start(self, owner: str, name: str, **options: Any) -> subprocess.Popen[str]:
        """Start a container's command."""
        pod, container = self.container(owner, name)
        mounts = self._mounts(pod, container)
        assert "command" not in container, "the image's entry point is kept"
        words = [self._local(word, {**mounts, **self.replaced}) for word in container["args"]]
        program = shutil.which(words[0], path=str(Path(sys.executable).parent))
        assert program, f"{words[0]} is not in the environment"
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        for variable in container["env"]:
            environment[variable["name"]] = self._local(self._value(variable), mounts)
        cwd = self._local(container["workingDir"], mounts)
        return subprocess.Popen(
            [program, *words[1:]], env=environment, cwd=cwd, text=True, start_new_session=True, **options
        )

    def run(self, owner: str, name: str) -> subprocess.CompletedProcess[str]:
        """Run a container's command to its end, in at most three minutes."""
        process = self.start(owner, name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=180)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def _value(self, variable: Document) -> str:
        if "value" in variable:
            return str(variable["value"])
        reference = variable["valueFrom"]["secretKeyRef"]
        return self.secrets[reference["name"]][reference["key"]]

    def _mounts(self, pod: Pod, container: Document) -> dict[str, str]:
        """Make the container's volumes; return the local folder of each mount path."""
        volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
        found = {}
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            place = self.folder / pod.owner["metadata"]["name"] / mount["name"]
            place.mkdir(parents=True, exist_ok=True)
            if "configMap" in volume:
                data = self.release.one("ConfigMap", volume["configMap"]["name"])["data"]
                for name, text in data.items():
                    (place / name).write_text(text)
            found[mount["mountPath"]] = str(place)
        return found

    @staticmethod
    def _local(text: str, places: dict[str, str]) -> str:
        for known, here in places.items():
            if text == known or text.startswith(f"{known}/"):
                return here + text[len(known) :]
        return text
