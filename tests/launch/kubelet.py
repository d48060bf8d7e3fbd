"""Runs the command of a RayJob on this machine, with the environment and the shells that its pods would give it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.launch.objects import pod_templates
from tests.launch.stand_in import RUNNING, SUCCEEDED, Kubernetes, Status, failed


class Kubelet:
    """Runs each job that a stand-in gets.

    Args:
        kubernetes: The stand-in.
        scratch: Stands for the pods' scratch volume.
        secrets: The values of each Secret's keys.
        ray: Address of the Ray that stands for the job's own; empty for none.
    """

    def __init__(self, kubernetes: Kubernetes, scratch: Path, secrets: dict[str, dict[str, str]], ray: str) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.environment: dict[str, str] = {}
        self._kubernetes, self._scratch, self._secrets, self._ray = kubernetes, scratch, secrets, ray
        self._reader: threading.Thread | None = None
        kubernetes.on_create = self._start
        kubernetes.script = [self._status]

    def _start(self, job: dict[str, Any]) -> None:
        variables = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
        for item in pod_templates(job)["head"]["spec"]["containers"][0]["env"]:
            secret = item.get("valueFrom", {}).get("secretKeyRef")
            value = self._secrets[secret["name"]][secret["key"]] if secret else item["value"]
            variables[item["name"]] = re.sub(r"^/scratch", str(self._scratch), value)
        if self._ray:  # what Ray gives the driver of a job
            variables |= {"RAY_ADDRESS": self._ray, "RAY_AUTH_MODE": "disabled", "PYTHONUNBUFFERED": "1"}
        self.environment = variables
        expanded = re.sub(r"\$\$", "$", job["spec"]["entrypoint"])
        quote = "import shlex, sys; print(shlex.join(sys.argv[1:]))"
        submit = ["bash", "-c", f"{sys.executable} -c '{quote}' {expanded}"]
        entrypoint = subprocess.run(submit, capture_output=True, text=True, check=True).stdout.strip()
        self.process = subprocess.Popen(
            entrypoint, shell=True, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._kubernetes.log(line.rstrip("\n"))

    def _status(self) -> Status:
        assert self.process is not None
        assert self._reader is not None
        code = self.process.poll()
        if code is None or self._reader.is_alive():
            return RUNNING
        return SUCCEEDED if code == 0 else failed("AppFailed", f"Job entrypoint command failed with exit code {code}")
