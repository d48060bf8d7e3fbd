"""The output of train: a model package, and the MLflow run and version that know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from earthenware import storage
from earthenware.errors import EarthenwareError, invalid_fields
from earthenware.steps import EventLog, Manifest, artifact, is_dry_run, read_artifact, read_manifest

_KEY: Final = "model"


class TrackedModel(BaseModel):
    """Where MLflow holds a model.

    Attributes:
        run_id: Id of the run that trained it.
        tracking_uri: The MLflow server, without credentials.
        name: Name under which it is registered.
        version: Version of that name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    tracking_uri: str
    name: str
    version: str


class TrainedModel(BaseModel):
    """What the manifest of train says of its model.

    Attributes:
        package: Name of the package's folder among the step's results.
        package_digest: Digest of the package.
        family: Family of the model.
        tracked: Where MLflow holds it; None where the run was not tracked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    package_digest: str
    family: str
    tracked: TrackedModel | None = None

    def details(self) -> dict[str, Any]:
        """Return the manifest's details."""
        return {_KEY: self.model_dump(mode="json", exclude_none=True)}


def trained_model(manifest: Manifest) -> TrainedModel | None:
    """Return the model of a finished step; None where it made none.

    Raises:
        EarthenwareError: ``BAD_MANIFEST`` where what it says of its model cannot be read.
    """
    if _KEY not in manifest.details:
        return None
    try:
        return TrainedModel.model_validate(manifest.details[_KEY])
    except ValidationError as error:
        message = invalid_fields(
            error, f"The manifest of '{manifest.step}' says a wrong thing of its model", TrainedModel
        )
        raise EarthenwareError("BAD_MANIFEST", message, "Train the model again with this version.") from None


def require_model(manifest: Manifest | None, output: str) -> TrainedModel:
    """Return the model of a finished step.

    Args:
        manifest: The step's manifest; None where the output is none of a step.
        output: The step's output, to be named in errors.

    Raises:
        EarthenwareError: ``NO_MODEL``, ``BAD_MANIFEST``.
    """
    model = None if manifest is None else trained_model(manifest)
    if model is None:
        message = f"'{storage.redact(output)}' holds no trained model."
        raise EarthenwareError("NO_MODEL", message, "Give the output of 'earthenware train'.")
    return model


def package_uri(output: str) -> str:
    """Return the URI of the model package in an output of train.

    Raises:
        EarthenwareError: ``NO_MODEL``, ``NOT_FINISHED``, ``BAD_MANIFEST``.
    """
    return artifact(output, require_model(read_manifest(output), output).package)


def record_step(
    model: Manifest | None, output: str, manifest: Manifest, files: Mapping[str, str] | None = None
) -> None:
    """Log a finished step, such as the validation of a model's chips, to the MLflow run that trained the model.

    What a step is worth lies in its output: where MLflow cannot be told, a warning says so.

    Args:
        model: Manifest of the training; nothing is logged where it was not tracked, or where the step is logged
            already.
        output: Output of the other step.
        manifest: Its manifest.
        files: Names of results to log, with the paths that they get in MLflow.

    Raises:
        EarthenwareError: ``BAD_MANIFEST`` where what the training says of its model cannot be read.
    """
    trained = None if model is None or is_dry_run() else trained_model(model)
    if trained is None or trained.tracked is None:
        return
    from earthenware.tracking import resume_run

    try:
        run = resume_run(trained.tracked.run_id, trained.tracked.tracking_uri)
        if run.client.get_run(run.run_id).data.tags.get(f"{manifest.step}.digest") == manifest.digest:
            return
        for name, path in (files or {}).items():
            run.log_bytes(path, read_artifact(output, name, manifest))
        run.log_manifest(manifest)
    except EarthenwareError as error:
        message = f"MLflow has not been told of this step: {error.message}"
        EventLog(manifest.step).emit("warning", code="NOT_TRACKED", message=message)
