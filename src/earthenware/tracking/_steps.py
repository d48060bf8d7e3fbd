"""Logging a step to the run of a training that knows nothing of it."""

from __future__ import annotations

from earthenware.steps import is_dry_run, read_manifest
from earthenware.tracking._run import resume_run


def record_step(model: str, output: str) -> None:
    """Log a step, such as the validation of a model's chips, to the MLflow run that trained the model.

    Args:
        model: Output of the training; nothing is logged where it was not tracked, or where the step is logged already.
        output: Output of the other step.

    Raises:
        EarthenwareError: ``TRACKING_*``, or what reading a manifest raises.
    """
    details = read_manifest(model).details.get("model") or {}
    if is_dry_run() or "mlflow_run_id" not in details:
        return
    manifest = read_manifest(output)
    run = resume_run(details["mlflow_run_id"], details["mlflow_tracking_uri"])
    if run.client.get_run(run.run_id).data.tags.get(f"{manifest.step}.digest") != manifest.digest:
        run.log_manifest(manifest)
