"""Running a step: find out whether there is anything to do, claim the output, resume, and write the manifest last."""

from __future__ import annotations

import contextlib
import contextvars
import importlib.metadata
import json
import math
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from earthenware import __version__, storage
from earthenware.errors import EarthenwareError, first_line
from earthenware.processes import scratch_folder
from earthenware.steps._attempt import Attempt, Result
from earthenware.steps._documents import CLAIM, ERROR, MANIFEST, Claim, InputRecord, Manifest, read_manifest
from earthenware.steps._events import EventLog
from earthenware.steps._lease import Lease
from earthenware.steps._lineage import read_inputs
from earthenware.steps._plan import Plan, make_plan, occupied
from earthenware.steps._results import forget_others, publish
from earthenware.steps._spec import Spec, sha256_json

_PACKAGES: Final = ("earthenware", "torch", "lightning", "ray", "zarr", "zarrs", "rasterio", "odc-geo", "pyarrow")


@dataclass(frozen=True)
class StepReport:
    """What a step returns.

    Attributes:
        step: Name of the step.
        output: URI of its output, with any ``{fingerprint}`` filled in.
        manifest: Its manifest.
        reused: True when a finished output was found and nothing was done.
        inputs: Manifests of the inputs by their names, None for what is no step's output.
    """

    step: str
    output: str
    manifest: Manifest
    reused: bool
    inputs: Mapping[str, Sequence[Manifest | None]] = field(default_factory=dict)


class DryRun(Exception):  # noqa: N818 - it stops a run that has nothing wrong with it
    """Raised by :func:`run_step` under :func:`dry_run` instead of working; carries the plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.sentence)
        self.plan = plan


_dry: contextvars.ContextVar[bool] = contextvars.ContextVar("earthenware_dry_run", default=False)


@contextlib.contextmanager
def dry_run() -> Iterator[None]:
    """Within this block steps that have work to do raise :class:`DryRun`; finished ones return as usual."""
    token = _dry.set(True)
    try:
        yield
    finally:
        _dry.reset(token)


def is_dry_run() -> bool:
    """Return whether this runs within :func:`dry_run`."""
    return _dry.get()


def run_step(
    step: str,
    version: int,
    *,
    spec: Spec,
    inputs: Mapping[str, str | Sequence[str]],
    output: str,
    body: Callable[[Attempt], Result],
    task: str | None = None,
) -> StepReport:
    """Run ``body`` under the step contract.

    A finished output of the same step, algorithm version, spec and inputs is returned as it is. Otherwise the output
    is claimed, leased, and worked on; parts that an earlier attempt committed are there for ``body`` to find.

    Args:
        step: Name of the step, such as ``build``.
        version: The algorithm version: an integer that is raised when results change.
        spec: What to do.
        inputs: URIs of earlier steps' outputs, or of single files, by name.
        output: The prefix to own; ``{fingerprint}`` in it becomes the first 12 digits of the fingerprint.
        body: The work.
        task: What to call this step in events, where several of one kind run.

    Raises:
        EarthenwareError: What the spec requires, what the body raised, or ``OUTPUT_OCCUPIED``, ``OUTPUT_HOLDS_OTHER``
            or ``LEASED``.
    """
    events = EventLog(step, task)
    began = time.monotonic()
    try:
        report = _run(step, version, spec, inputs, output, body, events)
    except DryRun:
        raise
    except BaseException as error:
        report_failure(events, step, error)
        raise
    kind = "reused" if report.reused else "finished"
    seconds = time.monotonic() - began
    events.emit(kind, seconds=seconds, counts=report.manifest.counts, output=report.output)
    return report


def report_failure(events: EventLog, step: str, error: BaseException) -> None:
    """Emit the ``failed`` event of ``error``."""
    events.emit("failed", **_describe(step, error))
    error._earthenware_reported = True  # type: ignore[attr-defined]


def already_reported(error: BaseException) -> bool:
    """Return whether :func:`report_failure` was called for ``error``."""
    return getattr(error, "_earthenware_reported", False)


def _describe(step: str, error: BaseException) -> dict[str, Any]:
    if isinstance(error, EarthenwareError):
        return error.to_json()
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return EarthenwareError("INTERRUPTED", f"{step} was interrupted.", "Run it again: it resumes.").to_json()
    if isinstance(error, OSError):
        return storage.system_error(error).to_json()
    text = first_line(f"{type(error).__name__}: {error}", 300)
    return EarthenwareError("INTERNAL", f"{step} failed unexpectedly: {text}.", "Please report this.").to_json()


def _run(
    step: str,
    version: int,
    spec: Spec,
    inputs: Mapping[str, str | Sequence[str]],
    output: str,
    body: Callable[[Attempt], Result],
    events: EventLog,
) -> StepReport:
    records, manifests = read_inputs(inputs)
    question = {
        "step": step,
        "algorithm_version": version,
        "spec": spec.results(),
        "inputs": {name: [record.digest for record in found] for name, found in records.items()},
    }
    asked = Claim(**question, fingerprint=sha256_json(question), package_version=__version__)
    output = storage.normalise(output.replace("{fingerprint}", asked.fingerprint[:12]))
    if storage.is_web(output):
        message = f"'{storage.redact(output)}' can only be read."
        raise EarthenwareError("READ_ONLY", message, "Give a path or s3:// as the output.")
    plan = make_plan(output, asked)
    if plan.state == "done" and plan.manifest is not None:
        with contextlib.suppress(EarthenwareError):  # an output that can only be read is as good
            publish(output, plan.manifest)
        return StepReport(step, output, plan.manifest, reused=True, inputs=manifests)
    if plan.state == "occupied":
        raise occupied(plan)
    spec.require(output, os.environ)
    spec.require_machine()
    if _dry.get():
        raise DryRun(plan)
    events.emit("started", output=output, message=plan.sentence)
    _claim(output, asked)

    def waiting(left: float) -> None:
        events.emit("log", message=f"waiting up to {left:.0f} s for the lease of a run on another machine to run out")

    with Lease(output, waiting) as lease:
        plan = make_plan(output, asked, leased_by_us=True)
        if plan.state in ("new", "occupied"):  # the claim was removed, and maybe another made, before the lease was had
            _claim(output, asked)
        if plan.state == "done" and plan.manifest is not None:  # the former holder finished while this run waited
            publish(output, plan.manifest)
            return StepReport(step, output, plan.manifest, reused=True, inputs=manifests)
        try:
            began = time.monotonic()
            with scratch_folder(step) as scratch:
                name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
                attempt = Attempt(output, name, scratch, manifests, lease, events)
                with storage.full_disk_explained(str(scratch)):
                    result = body(attempt)
                manifest = _finish(attempt, result, asked, spec, records, time.monotonic() - began)
            lease.confirm()
            try:
                values = manifest.model_dump(mode="json")
                # Not sorted: counts come with the most important first.
                storage.write_json(storage.join(output, MANIFEST), values, create_only=True, sort_keys=False)
            except FileExistsError:
                manifest = read_manifest(output)  # what counts is what lies there
            publish(output, manifest)
            forget_others(output, manifest)
        except BaseException as error:
            with contextlib.suppress(Exception):  # the first error is the one to show
                lease.confirm()  # else the prefix is another attempt's
                storage.write_json(storage.join(output, ERROR), _describe(step, error))
            raise
        storage.delete_file(storage.join(output, ERROR))
    return StepReport(step, output, manifest, reused=False, inputs=manifests)


def _claim(output: str, asked: Claim) -> None:
    try:
        storage.write_json(storage.join(output, CLAIM), asked.model_dump(mode="json"), create_only=True)
    except FileExistsError:
        if (late := make_plan(output, asked)).state == "occupied":
            raise occupied(late) from None


def _finish(
    attempt: Attempt,
    result: Result,
    asked: Claim,
    spec: Spec,
    inputs: dict[str, list[InputRecord]],
    seconds: float,
) -> Manifest:
    import pyarrow as pa

    rejects = attempt.all_rejects()
    schema = pa.schema([(name, pa.string()) for name in ("record", "reason", "message")])
    attempt.put_table("rejects.parquet", pa.Table.from_pylist([asdict(reject) for reject in rejects], schema))
    metrics = {key: float(value) for key, value in result.metrics.items()}
    for key in [key for key, value in metrics.items() if not math.isfinite(value)]:
        # JSON has no such number: the manifest would not read back.
        attempt.warn("METRIC_NOT_FINITE", f"the metric {key} is {metrics.pop(key)} and is left out")
    # NumPy's numbers and arrays become Python's, a number that is none null.
    text = json.dumps(dict(result.details), default=lambda value: value.tolist())
    details = json.loads(text, parse_constant=lambda _: None)
    content = result.content or sorted((name, item.sha256) for name, item in attempt.artifacts.items())
    return Manifest(
        step=asked.step,
        algorithm_version=asked.algorithm_version,
        spec=spec.model_dump(mode="json"),
        spec_hash=spec.fingerprint(),
        fingerprint=asked.fingerprint,
        digest=sha256_json([asked.fingerprint, content]),
        inputs=inputs,
        attempt=attempt.name,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        counts={key: int(value) for key, value in result.counts.items()},
        metrics=metrics,
        details=details,
        rejects=dict(sorted(Counter(reject.reason for reject in rejects).items())),
        seconds={"total": round(seconds, 3)},
        artifacts=attempt.artifacts,
        packages=_versions(),
    ).checked()


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    found["earthenware"] = __version__
    return found
