"""Running a step as a Ray job: the launching pod does nothing itself but wait, and ends as the step in the job ends."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError, one_line
from earthenware.launch._api import Cluster, Pace
from earthenware.launch._cluster import RayJob
from earthenware.launch._command import as_entrypoint
from earthenware.launch._logs import LogCopy, LogFollower
from earthenware.launch._objects import Launch, job_name, passed_on, ray_job
from earthenware.launch._owner import owner_and_run
from earthenware.launch._settings import RayJobSettings
from earthenware.processes import ending_on_sigterm
from earthenware.steps import (
    ERROR,
    DryRun,
    EventLog,
    Manifest,
    Plan,
    StepReport,
    dry_run,
    is_dry_run,
    read_failure,
    read_manifest,
)


def run_as_ray_job(
    settings: RayJobSettings,
    call: Callable[[], StepReport],
    *,
    command: Callable[[str], Sequence[str]],
    workers: int,
    pace: Pace | None = None,
) -> StepReport:
    """Run a step on a Ray cluster of its own, and wait for it.

    The job runs the very same step as a command: it leases the output, resumes and writes the manifest there. A step
    that is done starts nothing. When this process is told to end, the job is removed with it.

    Args:
        settings: Everything about the job that is not the step.
        call: Runs the step in this process; it is only asked what there is to do.
        command: Gives the step as a command by its output.
        workers: Ray workers that must fit at once (number).
        pace: How often and how long things are tried.

    Raises:
        EarthenwareError: What the step raised in the job, else ``RAY_JOB_*``, ``CLUSTER_*``, ``NO_KUBERAY``,
            ``NAME_TAKEN``, ``NOT_SHARED`` or ``SECRET_IN_URL``.
    """
    if is_dry_run():  # the caller itself asked what there is to do: nothing may be started
        return call()
    try:
        with dry_run():
            return call()
    except DryRun as stop:
        plan = stop.plan
    entrypoint = as_entrypoint(command(plan.output))
    plain = passed_on(os.environ)
    pace = pace or Pace()
    events = EventLog(plan.step)

    def say(text: str) -> None:
        events.emit("log", message=text)

    with ending_on_sigterm():
        cluster = Cluster(pace)
        owner, run = owner_and_run(cluster)
        namespace = settings.namespace or cluster.namespace
        job = RayJob(cluster, namespace, settings, say)

        def body(name: str) -> dict[str, Any]:
            launch = Launch(name, namespace, plan.step, plan.output, entrypoint, workers, owner, plain)
            return ray_job(settings, launch)

        before = _error_file(plan.output)
        try:
            job.create(lambda number: job_name(plan.step, run, plan.output, number), body, plan.output)
            return _see_to_its_end(job, namespace, plan, pace, None if job.adopted else before, say)
        finally:
            job.delete_unless_over()


def _see_to_its_end(
    job: RayJob, namespace: str, plan: Plan, pace: Pace, before: str | None, say: Callable[[str], None]
) -> StepReport:
    copy = LogCopy(plan.output, job.name)
    log = LogFollower(Cluster(pace), namespace, job.name, copy.write)
    try:
        log.start()
        with _regularly(copy.put):
            status = job.wait()
        log.finish(pace.silence + 15)
        if log.failure is not None:
            say(f"its log is not shown: {log.failure.message}")
        # The manifest is what counts: a job may lose its submitter, or be removed, after the step was done.
        manifest = _manifest(plan.output)
        if manifest is not None:
            return StepReport(plan.step, plan.output, manifest, reused=False)
        raise _failure(job, status, copy, plan.output, before)
    finally:
        log.finish(0)
        last = threading.Thread(target=copy.put, daemon=True)
        last.start()
        last.join(60 if job.over else 2)  # else somebody waits for this process to end
        if not last.is_alive():
            copy.close()


def _manifest(output: str) -> Manifest | None:
    try:
        return read_manifest(output)
    except EarthenwareError as error:
        if error.code != "NOT_FINISHED":
            raise
    return None


def _failure(job: RayJob, status: dict[str, Any], copy: LogCopy, output: str, before: str | None) -> EarthenwareError:
    """Find the reason: what the step itself told, else what KubeRay says."""
    state, reason = status.get("jobDeploymentStatus"), str(status.get("reason") or "")
    said = one_line(str(status.get("message") or ""))
    if reason == "PreRunningDeadlineExceeded":
        return job.pending(status)
    if reason == "DeadlineExceeded":
        return job.overdue()
    if state == "ValidationFailed":
        message = f"KubeRay refuses the Ray job {job.name}: {said}."
        return EarthenwareError("RAY_JOB_REFUSED", message, "Correct the profile's section 'ray'.")
    if copy.error is not None:
        return copy.error
    now = _error_file(output)
    if now and now != before:
        with contextlib.suppress(EarthenwareError):
            if (failure := read_failure(output)) is not None:
                return failure
    again = "Run the step again: it resumes."
    if state == "Gone":
        return EarthenwareError("RAY_JOB_GONE", f"The Ray job {job.name} was deleted while it was waited for.", again)
    if status.get("jobStatus") == "STOPPED":
        return EarthenwareError("RAY_JOB_STOPPED", f"The Ray job {job.name} was stopped by somebody.", again)
    if reason == "JobStatusCheckTimeoutExceeded":
        return EarthenwareError("RAY_HEAD_LOST", f"The head of the Ray job {job.name} is lost: {said}.", again)
    if state == "Complete":
        message = f"The Ray job {job.name} is complete, but there is no manifest in '{storage.redact(output)}'."
        return EarthenwareError("RAY_JOB_FAILED", message, "Let its pods and this one use the same object store.")
    detail = ": ".join(part for part in (reason, said) if part) or "KubeRay gives no reason"
    message = f"The Ray job {job.name} failed ({detail})."
    return EarthenwareError("RAY_JOB_FAILED", message, "Read its log above; run the step again to resume.")


def _error_file(output: str) -> str:
    """Return the version of the output's ``error.json``; empty when there is none."""
    with contextlib.suppress(FileNotFoundError, EarthenwareError):
        return storage.read_versioned(storage.join(output, ERROR))[1]
    return ""


@contextlib.contextmanager
def _regularly(action: Callable[[], None], seconds: float = 60.0) -> Iterator[None]:
    """Run an action in the background now and then while the block runs."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(seconds):
            action()

    threading.Thread(target=loop, name="ray-job-log-copy", daemon=True).start()
    try:
        yield
    finally:
        stop.set()
