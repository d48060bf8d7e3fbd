"""A RayJob on the cluster: created once, watched until it ends, and removed when nobody waits for it any more."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from earthenware.errors import EarthenwareError
from earthenware.launch._cluster import Cluster, RefusedError
from earthenware.launch._objects import MANAGER, OUTPUT, Launch, job_name, ray_job
from earthenware.launch._settings import RayJobSettings

_RAY_JOBS: Final = "rayjobs.ray.io"
_MOST_JOBS: Final = 10
"""Jobs of one step, run and output that are there at once: all but one are kept for their log only."""
_TOLD: Final = 60.0
"""Seconds between two looks at why pods are waited for."""

_WORDS: Final = {
    "": "waits for KubeRay",
    "Initializing": "waits for its pods",
    "Running": "runs",
    "Suspended": "is queued",
    "Suspending": "is being stopped by its queue",
    "Complete": "is complete",
    "Failed": "failed",
    "ValidationFailed": "was refused by KubeRay",
}
_WAITING: Final = ("", "Initializing", "Retrying", "Waiting")
_QUEUED: Final = ("Suspended", "Suspending")
_TERMINAL: Final = ("Complete", "Failed", "ValidationFailed")


def _alive(job: dict[str, Any]) -> bool:
    """Return whether a RayJob may still do its work."""
    ended = (job.get("status") or {}).get("jobDeploymentStatus", "") in _TERMINAL
    return not ended and not job["metadata"].get("deletionTimestamp")


class RayJob:
    """One RayJob; ``say`` is told in words what becomes of it."""

    def __init__(self, cluster: Cluster, settings: RayJobSettings, launch: Launch, say: Callable[[str], None]) -> None:
        self.name = ""
        self.adopted = False
        """Whether an earlier launcher created it."""
        self.over = False
        """Whether it ended, and is left to its deletion rules: somebody may want to look at it."""
        self._cluster, self._settings, self._launch, self._say = cluster, settings, launch, say
        self._path = f"/apis/ray.io/v1/namespaces/{launch.namespace}/rayjobs"
        self._uid = ""
        self._told = ("", 0.0)

    def create(self) -> None:
        """Create the job, or take over the one that an earlier launcher of the same step and run created.

        One that failed, or that is being removed, is left to its deletion rules, and the next number is taken: so
        nothing waits for a removal, and its log stays readable. A job that makes something else is not taken over.
        """
        what = self._launch
        names = [job_name(what.step, what.run, what.output, number) for number in range(_MOST_JOBS)]
        # All are looked at first: of two jobs the earlier may have been removed already, and the later be at work.
        if any(self._adopt(one) for one in names):
            return
        for one in names:
            self.name = one
            job = self._post(ray_job(self._settings, what, one))
            if job is not None:
                self._uid = job["metadata"].get("uid", "")
                self._say(f"created the Ray job {one} in namespace {self._launch.namespace}")
                return
            if self._adopt(one):  # made since, or by a call whose answer was lost
                return
        message = f"The Ray jobs {names[0]} to {names[-1]} are there, and all failed."
        raise EarthenwareError("NAME_TAKEN", message, "Look into their logs, then delete them.")

    def _adopt(self, name: str) -> bool:
        """Take over a job that is at work; return False where there is none."""
        self.name = name
        job = self._get()
        if job is None or not _alive(job):
            return False
        meta = job["metadata"]
        manager = (meta.get("labels") or {}).get("app.kubernetes.io/managed-by")
        if manager != MANAGER or (meta.get("annotations") or {}).get(OUTPUT) != self._launch.output:
            message = f"A Ray job {name} that is not this step's exists in namespace '{self._launch.namespace}'."
            raise EarthenwareError("NAME_TAKEN", message, f"Delete the RayJob {name}.")
        self._uid, self.adopted = meta.get("uid", ""), True
        self._say(f"goes on with the Ray job {name} in namespace {self._launch.namespace}")
        return True

    def _post(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Create; return None where one of this name exists."""
        try:
            made: dict[str, Any] = self._cluster.call(
                "create", _RAY_JOBS, self._path, body=body, expected=(400, 404, 409, 422)
            )
        except RefusedError as refused:
            if refused.status == 409 and "already exists" in str(refused):
                return None
            if refused.status == 404:
                message = f"The cluster knows no RayJobs, or has no namespace '{self._launch.namespace}': {refused}."
                remedy = "Install the KubeRay operator 1.6.2 or later, or correct the profile's namespace."
                raise EarthenwareError("NO_KUBERAY", message, remedy) from None
            message = f"Kubernetes refuses the Ray job {self.name}: {refused}."
            raise EarthenwareError("RAY_JOB_REFUSED", message, "Correct the profile's section 'ray'.") from None
        return made

    def wait(self) -> dict[str, Any]:
        """Return the job's status when it ended; one that was deleted has the deployment status ``Gone``.

        KubeRay keeps the deadlines; where it does not, the launcher's own clock does, a little later.
        """
        pace, limits = self._cluster.pace, self._settings
        state, since, pause = None, time.monotonic(), pace.poll
        while True:
            job = self._get()
            if job is None or job["metadata"].get("deletionTimestamp"):
                return {"jobDeploymentStatus": "Gone"}
            status: dict[str, Any] = job.get("status") or {}
            now = status.get("jobDeploymentStatus", "")
            if now in _WAITING and (job.get("spec") or {}).get("suspend"):
                now = "Suspended"  # Kueue created or took it so, before KubeRay looked at it
            pause = pace.slower(pause) if now == state else pace.poll
            if now != state:
                self._say(f"the Ray job {self.name} {_WORDS.get(now, f'is {now}')}")
                # Time in a queue is no time without pods; from one kind of waiting to the next the clock goes on.
                since = since if state in _WAITING and now in _WAITING else time.monotonic()
                state = now
            if now in _TERMINAL:
                # No rule removes a job that was refused or stopped.
                self.over = now != "ValidationFailed" and status.get("jobStatus") != "STOPPED"
                return status
            passed = time.monotonic() - since
            if now in _WAITING:
                self._tell_why(status)
                if passed > limits.pending_seconds + pace.grace:
                    raise self.pending(status)
            elif now not in _QUEUED and passed > limits.deadline_seconds + pace.grace:
                raise self.overdue()
            time.sleep(pause)

    def _tell_why(self, status: dict[str, Any]) -> None:
        text, when = self._told
        if time.monotonic() - when < _TOLD:
            return
        why = self._why(status)
        if why and why != text:
            self._say(f"the Ray job {self.name} waits: {why}")
        self._told = (why, time.monotonic())

    def _why(self, status: dict[str, Any]) -> str:
        """Return the first reason that a pod of the cluster gives for not running."""
        cluster = status.get("rayClusterName")
        for pod in self._cluster.pods(f"ray.io/cluster={cluster}") if cluster else []:
            name, found = pod["metadata"]["name"], pod.get("status") or {}
            for container in found.get("containerStatuses") or []:
                waiting = (container.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                    return f"{name}: {waiting['reason']} {waiting.get('message', '')}".strip().rstrip(".")
            for condition in found.get("conditions") or []:
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    return f"{name}: {condition.get('message') or condition.get('reason')}".rstrip(".")
        return ""

    def pending(self, status: dict[str, Any]) -> EarthenwareError:
        """Return the error of a job that got no pods in time."""
        why = ""
        with contextlib.suppress(EarthenwareError):
            why = self._why(status)
        limit = self._settings.pending_seconds
        message = f"The Ray job {self.name} did not get its pods within {limit} s{f': {why}' if why else ''}."
        return EarthenwareError(
            "RAY_JOB_PENDING", message, "Ask for less in the profile's section 'ray', or raise its pending_seconds."
        )

    def overdue(self) -> EarthenwareError:
        """Return the error of a job that ran too long."""
        message = f"The Ray job {self.name} did not end within its deadline of {self._settings.deadline_seconds} s."
        remedy = "Run the step again, which resumes, or raise deadline_seconds in the profile's section 'ray'."
        return EarthenwareError("RAY_JOB_DEADLINE", message, remedy)

    def _get(self) -> dict[str, Any] | None:
        try:
            job: dict[str, Any] = self._cluster.call("get", _RAY_JOBS, f"{self._path}/{self.name}", expected=(404,))
        except RefusedError:
            return None
        # A job of the same name that somebody made since is not this one.
        return None if self._uid and job["metadata"].get("uid", self._uid) != self._uid else job

    def delete_unless_over(self) -> None:
        """Remove the job and with it its pods, if it was made and is not over."""
        if self.over or not self._uid:
            return
        options = {"propagationPolicy": "Background", "preconditions": {"uid": self._uid}}
        patience = self._cluster.pace.cleanup
        try:
            self._cluster.call(
                "delete",
                _RAY_JOBS,
                f"{self._path}/{self.name}",
                body=options,
                expected=(404, 409),
                patience=patience,
                answer=patience / 2,
            )
        except RefusedError:
            return  # it is gone
        except EarthenwareError as error:
            self._say(f"the Ray job {self.name} could not be removed and may go on: {error.message}")
            return
        self._say(f"removed the Ray job {self.name}")
