"""A small Kubernetes with KubeRay in it, over HTTP: it checks what it is sent as strictly as they do.

A job's life is a script: each time the job is asked for, it takes the next step, so nothing hangs on the clock.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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


class Kubernetes:
    """The stand-in.

    Attributes:
        script: What becomes of the next job, one step per look at it; the last one stays.
        lines: The submitter's log: time stamp and text.
        requests: What was asked: verb, API group, resource.
        troubles: Answers to give instead of the next ones, as (verb, resource, status, message).
        cut_after: Bytes after which the next log connections break off, each once.
        token: The token that is accepted.
        jobs: The RayJobs that exist.
        made: Every RayJob that was ever created.
    """

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.script: Script = []
        self.lines: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.troubles: list[tuple[str, str, int, str]] = []
        self.cut_after: list[int] = []
        self.token = "token-1"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.made: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.worker_pods: list[dict[str, Any]] = []
        self.on_create: Callable[[dict[str, Any]], None] = lambda job: None
        self.changed = threading.Condition()
        self._folder, self._tls = folder, tls
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.open()
        self.write_kubeconfig()

    def open(self) -> None:
        """Listen; at the same port as before, if there was one."""
        handler = type("Handler", (_Handler,), {"kubernetes": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening, as an API server that restarts."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def write_kubeconfig(self) -> None:
        user = {"name": "u", "user": {"token": self.token}}
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}
        values = {
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "users": [user], "clusters": [cluster], "contexts": [context],
        }  # fmt: skip
        path = self.kubeconfig.with_suffix(".new")
        path.write_text(json.dumps(values))
        path.replace(self.kubeconfig)

    @property
    def kubeconfig(self) -> Path:
        return self._folder / "kubeconfig"

    def log(self, *texts: str) -> None:
        """Add lines to the submitter's log; several share a time stamp, as lines written at once do."""
        with self.changed:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self.lines += [(stamp, text) for text in texts]
            self.changed.notify_all()

    # ------------------------------------------------------------------------------------------------------- objects

    def create(self, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = job.get("metadata", {}).get("name", "")
        problems = [*schema_errors(job), *name_errors(job)]
        if problems:
            return 422, _answer(422, f'RayJob.ray.io "{name}" is invalid: {problems[0]}')
        if name in self.jobs:
            return 409, _answer(409, f'rayjobs.ray.io "{name}" already exists')
        job["metadata"] |= {"uid": f"uid-{len(self.made)}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        self.jobs[name] = job
        self.made.append(job)
        self.on_create(job)
        return 201, job

    def get(self, name: str) -> tuple[int, dict[str, Any]]:
        job = self.jobs.get(name)
        if job is None:
            return 404, _answer(404, f'rayjobs.ray.io "{name}" not found')
        refused = operator_errors(job)
        if refused:
            job["status"] = {
                "jobDeploymentStatus": "ValidationFailed", "reason": "ValidationFailed", "message": refused[0],
            }  # fmt: skip
        elif self.script and not ended(job):
            step = self.script[0] if len(self.script) == 1 else self.script.pop(0)
            with self.changed:
                job["status"] = {"rayClusterName": f"{name}-raycluster", **(step() if callable(step) else step)}
                self.changed.notify_all()
        return 200, job

    def delete(self, name: str, options: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        job = self.jobs.get(name)
        if job is None:
            return 404, _answer(404, f'rayjobs.ray.io "{name}" not found')
        wanted = options.get("preconditions", {}).get("uid")
        if wanted and wanted != job["metadata"]["uid"]:
            return 409, _answer(409, "the UID in the precondition does not match")
        with self.changed:
            del self.jobs[name]
            self.deleted.append(name)
            self.changed.notify_all()
        return 200, _answer(200, "")

    def phase(self) -> str:
        status = self.made[-1].get("status", {}) if self.made else {}
        state = status.get("jobDeploymentStatus", "")
        return {"Running": "Running", "Complete": "Succeeded", "Failed": "Failed"}.get(state, "Pending")

    def pods(self, selector: str) -> list[dict[str, Any]]:
        key, _, value = selector.partition("=")
        if key == "job-name":
            if value in {job["metadata"]["name"] for job in self.made} and self.phase() != "Pending":
                return [_pod(f"{value}-abcde", "uid-submitter", {"job-name": value}, self.phase())]
            return []
        return [pod for pod in self.worker_pods if key == "ray.io/cluster"]


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


def _answer(code: int, message: str) -> dict[str, Any]:
    status = "Success" if code < 400 else "Failure"
    return {"kind": "Status", "apiVersion": "v1", "status": status, "message": message, "code": code}


_JOBS = re.compile(r"^/apis/ray\.io/v1/namespaces/([^/]+)/rayjobs(?:/([^/]+))?$")
_PODS = re.compile(r"^/api/v1/namespaces/([^/]+)/pods(?:/([^/]+?)(/log)?)?$")


class _Handler(BaseHTTPRequestHandler):
    kubernetes: Kubernetes
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("get")

    def do_POST(self) -> None:
        self._answer("create")

    def do_DELETE(self) -> None:
        self._answer("delete")

    def _answer(self, verb: str) -> None:
        try:
            self._route(verb)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, verb: str) -> None:
        k, url = self.kubernetes, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        jobs, pods = _JOBS.match(url.path), _PODS.match(url.path)
        match = jobs or pods
        if match is None or match[1] != NAMESPACE:
            return self._send(404, _answer(404, "the server could not find the requested resource"))
        resource = "rayjobs" if jobs else "pods/log" if pods and pods[3] else "pods"
        if verb == "get" and not match[2]:
            verb = "list"
        k.requests.append((verb, "ray.io" if jobs else "", resource))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if (scheme.lower(), token) != ("bearer", k.token):
            return self._send(401, _answer(401, "Unauthorized"))
        for trouble in k.troubles:
            if trouble[:2] == (verb, resource):
                k.troubles.remove(trouble)
                return self._send(trouble[2], _answer(trouble[2], trouble[3]))
        if jobs:
            if verb == "create":
                return self._send(*k.create(body))
            return self._send(*(k.get(match[2]) if verb == "get" else k.delete(match[2], body)))
        if resource == "pods/log":
            k.queries.append(query)
            return self._log(query)
        if match[2]:
            if match[2] != POD:
                return self._send(404, _answer(404, f'pods "{match[2]}" not found'))
            return self._send(200, _pod(POD, POD_UID, {"pipeline/runid": RUN}, "Running"))
        found = k.pods(query.get("labelSelector", ""))
        return self._send(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": found})

    def _send(self, code: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _log(self, query: dict[str, str]) -> None:
        if query.get("container") != "ray-job-submitter" or query.get("timestamps") != "True":
            return self._send(400, _answer(400, f"unexpected query {query}"))
        k = self.kubernetes
        oldest = ""
        if "sinceSeconds" in query:
            oldest = (datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))).strftime("%Y-%m-%dT%H:%M:%S")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = k.cut_after.pop(0) if k.cut_after else None
        for stamp, text in self._lines(query.get("follow") == "True"):
            if stamp < oldest:
                continue
            data = f"{stamp} {text}\n".encode()
            if left is not None and len(data) > left:
                self._chunk(data[:left])
                self.close_connection = True  # in the middle of a line, without an end
                return None
            left = left if left is None else left - len(data)
            self._chunk(data)
        self._chunk(b"")
        return None

    def _lines(self, follow: bool) -> Iterator[tuple[str, str]]:
        k, at = self.kubernetes, 0
        while True:
            with k.changed:
                over = not follow or k.phase() in ("Succeeded", "Failed") or not k.jobs
                fresh = k.lines[at:]
            yield from fresh
            at += len(fresh)
            if over and not fresh:
                return
            if not fresh:
                with k.changed:
                    k.changed.wait(0.1)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
