"""Running a step as a Ray job: the launching pod does nothing but wait, and ends as the step in the job ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError, one_line
from earthenware.launch._cluster import Cluster, Pace, RefusedError
from earthenware.launch._job import RayJob
from earthenware.launch._logs import LogCopy, LogFollower
from earthenware.launch._objects import Launch, Owner, passed_on
from earthenware.launch._settings import RayJobSettings
from earthenware.processes import ending_on_sigterm
from earthenware.steps import (
    ERROR,
    DryRun,
    EventLog,
    Plan,
    Spec,
    StepReport,
    dry_run,
    find_manifest,
    is_dry_run,
    read_failure,
)

_RUN_LABELS: Final = ("pipeline/runid", "workflows.argoproj.io/workflow")
"""Labels by which Kubeflow and Argo mark the pods of one run."""

_SURROGATES: Final = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


def step_command(step: str, spec: Spec, inputs: Mapping[str, str], output: str) -> tuple[str, ...]:
    """Return the ``earthenware`` command that runs a step.

    Args:
        step: Name of the step, which is the name of its command.
        spec: What to do; only fields that differ from their defaults are written out.
        inputs: URIs by the name of their option.
        output: The prefix that the step shall own.

    Raises:
        EarthenwareError: ``NOT_SHARED`` when a URI is a path of this machine, which another pod cannot reach.
    """
    command = ["earthenware", step]
    for name, uri in {**inputs, "output": output}.items():
        if storage.is_local(uri):
            shown = storage.redact(uri)
            message = f"The {name} of {step}, '{shown}', is a path that the pods of a Ray job cannot reach."
            raise EarthenwareError("NOT_SHARED", message, "Give an s3:// URI.")
        command += [f"--{name.replace('_', '-')}", uri]
    for field, value in spec.model_dump(mode="json", exclude_defaults=True).items():
        command += ["--set", f"{field}={_flow(value)}"]
    return tuple(command)


def as_entrypoint(command: Sequence[str]) -> str:
    """Return a command as KubeRay wants it.

    It goes through the arguments of the submitter's container, in which Kubernetes takes ``$(NAME)`` for a variable and
    ``$$`` for a dollar sign, then through a shell there; Ray quotes it anew for the shell on the head.
    """
    return shlex.join(command).replace("$", "$$")


def _flow(value: object) -> str:
    """Return a value as JSON that is also YAML, where a character beyond 16 bits is one escape and not two."""

    def join(pair: re.Match[str]) -> str:
        high, low = int(pair[1], 16), int(pair[2], 16)
        return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"

    return _SURROGATES.sub(join, json.dumps(value, allow_nan=False))


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
        owner, run = _owner_and_run(Cluster(pace))
        cluster = Cluster(pace, settings.namespace)
        launch = Launch(cluster.namespace, plan.step, plan.output, run, entrypoint, workers, owner, plain)
        job = RayJob(cluster, settings, launch, say)
        before = _error_file(plan.output)
        try:
            job.create()
            log = Cluster(pace, settings.namespace)  # its thread's own
            return _see_to_its_end(job, log, plan, None if job.adopted else before, say)
        finally:
            job.delete_unless_over()


def _owner_and_run(cluster: Cluster) -> tuple[Owner | None, str]:
    """Return this pod and the id of the pipeline run that it belongs to; None and empty text outside of a cluster."""
    name = os.environ.get("KFP_POD_NAME") or (os.environ.get("HOSTNAME", "") if cluster.in_pod else "")
    if not name:
        return None, ""
    try:
        pod = cluster.call("get", "pods", f"/api/v1/namespaces/{cluster.namespace}/pods/{name}", expected=(404,))
    except RefusedError:
        return None, ""
    uid, labels = pod["metadata"]["uid"], pod["metadata"].get("labels") or {}
    run = next((labels[key] for key in _RUN_LABELS if labels.get(key)), uid)
    return Owner(name, uid, cluster.namespace), run


def _see_to_its_end(
    job: RayJob, cluster: Cluster, plan: Plan, before: str | None, say: Callable[[str], None]
) -> StepReport:
    copy = LogCopy(plan.output, job.name)
    log = LogFollower(cluster, job.name, copy.write)
    try:
        log.start()
        status = job.wait()
        log.finish(cluster.pace.silence + 15)
        if log.failure is not None:
            say(f"its log is not shown: {log.failure.message}")
        # The manifest is what counts: a job may lose its submitter, or be removed, after the step was done.
        manifest = find_manifest(plan.output)
        if manifest is not None:
            return StepReport(plan.step, plan.output, manifest, reused=False)
        raise _failure(job, status, copy, plan.output, before)
    finally:
        log.finish(0)
        copy.close(60 if job.over else 2)  # else somebody waits for this process to end


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
