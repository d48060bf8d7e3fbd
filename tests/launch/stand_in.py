"""A small KubeRay behind the API of Kubernetes: it checks what it is sent as strictly as they do.

A job's life is a script: each time the job is asked for, it takes the next step, so nothing hangs on the clock.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from earthenware.testing import KubernetesRequest, KubernetesServer
from tests.launch.objects import name_errors, operator_errors, schema_errors

NAMESPACE = "team-a"
POD, POD_UID, RUN = "pretrain-x7k2p-train-1234", "5b0f7c5e-0c8e-4c39-9f3b-0d9d2b6a7c11", "1d2c3b4a-run"

Status = dict[str, Any]
Script = list[Status | Callable[[], Status]]

INITIALIZING: Status = {"jobDeploymentStatus": "Initializing", "jobStatus": ""}
RUNNING: Status = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
SUCCEEDED: Status = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}


def failed(reason: str, message: str, job: str = "FAILED") -> Status:
    return {"jobDeploymentStatus": "Failed", "jobStatus": job, "reason": reason, "message": message}


class Kubernetes(KubernetesServer):
    """The stand-in.

    Attributes:
        script: What becomes of the next job, one step per look at it; the last one stays.
        lines: The submitter's log: time stamp and text.
        queries: How the log was asked for.
        troubles: Answers to give instead of the next ones, as (verb, resource, status, message).
        cut_after: Bytes after which the next log connections break off, each once.
        made: Every RayJob that was ever created.
        deleted: Names of those that somebody deleted.
    """

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(NAMESPACE, tls=tls)
        self.script: Script = []
        self.lines: list[tuple[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.troubles: list[tuple[str, str, int, str]] = []
        self.cut_after: list[int] = []
        self.made: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.worker_pods: list[dict[str, Any]] = []
        self.on_create: Callable[[dict[str, Any]], None] = lambda job: None
        self.changed = threading.Condition()
        self.objects[f"/api/v1/namespaces/{NAMESPACE}/pods/{POD}"] = _pod(
            POD, POD_UID, {"pipeline/runid": RUN}, "Running"
        )
        self.path = folder / "kubeconfig"
        self.kubeconfig(self.path)

    def log(self, *texts: str) -> None:
        """Add lines to the submitter's log; several share a time stamp, as lines written at once do."""
        with self.changed:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self.lines += [(stamp, text) for text in texts]
            self.changed.notify_all()

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """The RayJobs that exist, by name."""
        return {path.rpartition("/")[2]: job for path, job in list(self.objects.items()) if "/rayjobs/" in path}

    def remove(self, *names: str) -> None:
        """Remove jobs as their time to live does."""
        for name in names:
            del self.objects[f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayjobs/{name}"]

    def answer(self, request: KubernetesRequest) -> tuple[int, Any]:
        for trouble in self.troubles:
            if trouble[:2] == (request.verb, request.resource):
                self.troubles.remove(trouble)
                return self.status(*trouble[2:])
        if request.resource == "pods/log":
            return self._log(request.query)
        if (request.verb, request.resource) == ("list", "pods"):
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._pods(request.query)}
        if request.resource != "rayjobs":
            return super().answer(request)
        problems = [*schema_errors(request.body), *name_errors(request.body)] if request.verb == "create" else []
        if problems:
            return self.status(422, f"RayJob.ray.io is invalid: {problems[0]}")
        if request.verb == "get" and request.name in self.jobs:
            self._take_a_step(self.jobs[request.name])
        with self.changed:
            code, value = super().answer(request)
            self.changed.notify_all()
        if request.verb == "create" and code == 201:
            self.made.append(value)
            self.on_create(value)
        if request.verb == "delete" and code == 200:
            self.deleted.append(request.name)
        return code, value

    def _take_a_step(self, job: dict[str, Any]) -> None:
        refused = operator_errors(job)
        if refused:
            state = "ValidationFailed"
            job["status"] = {"jobDeploymentStatus": state, "reason": state, "message": refused[0]}
        elif self.script and not ended(job):
            step = self.script[0] if len(self.script) == 1 else self.script.pop(0)
            status = step() if callable(step) else step
            job["status"] = {"rayClusterName": f"{job['metadata']['name']}-raycluster", **status}

    def _phase(self) -> str:
        state = self.made[-1].get("status", {}).get("jobDeploymentStatus", "") if self.made else ""
        return {"Running": "Running", "Complete": "Succeeded", "Failed": "Failed"}.get(state, "Pending")

    def _pods(self, query: dict[str, str]) -> list[dict[str, Any]]:
        key, _, value = query.get("labelSelector", "").partition("=")
        if key == "job-name":
            there = value in {job["metadata"]["name"] for job in self.made} and self._phase() != "Pending"
            return [_pod(f"{value}-abcde", "uid-submitter", {"job-name": value}, self._phase())] if there else []
        return self.worker_pods if key == "ray.io/cluster" else []

    def _log(self, query: dict[str, str]) -> tuple[int, Any]:
        self.queries.append(query)
        if query.get("container") != "ray-job-submitter" or query.get("timestamps") != "true":
            return self.status(400, f"unexpected query {query}")
        oldest = ""
        if "sinceSeconds" in query:
            oldest = (datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))).strftime("%Y-%m-%dT%H:%M:%S")
        return 200, self._stream(oldest, query["follow"] == "true", self.cut_after.pop(0) if self.cut_after else None)

    def _stream(self, oldest: str, follow: bool, left: int | None) -> Iterator[bytes]:
        for stamp, text in self._lines(follow):
            if stamp < oldest:
                continue
            data = f"{stamp} {text}\n".encode()
            if left is not None and len(data) > left:
                if left:
                    yield data[:left]
                raise ConnectionAbortedError("in the middle of a line, without an end")
            left = left if left is None else left - len(data)
            yield data

    def _lines(self, follow: bool) -> Iterator[tuple[str, str]]:
        at = 0
        while True:
            with self.changed:
                over = not follow or self._phase() in ("Succeeded", "Failed") or not self.jobs
                fresh = self.lines[at:]
            yield from fresh
            at += len(fresh)
            if over and not fresh:
                return
            if not fresh:
                with self.changed:
                    self.changed.wait(0.1)


def _pod(name: str, uid: str, labels: dict[str, str], phase: str) -> dict[str, Any]:
    meta = {"name": name, "uid": uid, "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"phase": phase}}


def ended(job: dict[str, Any]) -> bool:
    return job.get("status", {}).get("jobDeploymentStatus") in ("Complete", "Failed", "ValidationFailed")


def waiting_pod(message: str) -> dict[str, Any]:
    """A worker pod that no node takes."""
    pod = _pod("workers-1", "uid-worker", {}, "Pending")
    pod["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    ]
    return pod


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
