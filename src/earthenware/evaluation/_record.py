"""Telling the MLflow run of a model how it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from earthenware.errors import EarthenwareError
from earthenware.steps import Attempt, Manifest, StepReport

if TYPE_CHECKING:
    from earthenware.tracking import Run


def _run_of(model: Manifest) -> Run | None:
    """Return the run that trained a model, None where training was not tracked."""
    details: Mapping[str, Any] = model.details.get("model") or {}
    run_id, uri = details.get("mlflow_run_id"), details.get("mlflow_tracking_uri")
    if not run_id or not uri:
        return None
    from earthenware.tracking import resume_run

    return resume_run(str(run_id), str(uri))


@contextmanager
def _tolerant(attempt: Attempt) -> Iterator[None]:
    """Go on without tracking where it fails: the results do not depend on it and lie in the output."""
    try:
        yield
    except EarthenwareError as error:
        attempt.warn("NOT_TRACKED", f"MLflow has not been told of this step: {error.message}")


def record_results(attempt: Attempt, metrics: Mapping[str, float], files: Mapping[str, bytes]) -> None:
    """Log metrics and pictures to the run of the input ``model``."""
    manifest = attempt.input("model")
    with _tolerant(attempt):
        run = _run_of(manifest) if manifest is not None else None
        if run is not None:
            run.log_metrics(metrics, prefix="evaluate")
            for path, data in files.items():
                run.log_bytes(path, data)


def record_manifest(report: StepReport, model: Manifest) -> None:
    """Log a finished step's manifest; silent where that fails, as the step has ended."""
    if report.reused:
        return
    try:
        run = _run_of(model)
        if run is not None:
            run.log_manifest(report.manifest)
    except EarthenwareError:
        return
