"""Versions of a model: registered from a package on disk, with code in a file and no pickle."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from earthenware import __version__
from earthenware.errors import EarthenwareError
from earthenware.tracking._client import CANDIDATE, connect, patiently, prepare_environment, shown
from earthenware.tracking._run import Run

_DIGEST = "earthenware.package_digest"


@dataclass(frozen=True)
class ModelVersion:
    """A version in MLflow's registry.

    Attributes:
        name: Registered name.
        version: Version, counted from 1.
        run_id: The run that made it.
        package_digest: Digest of the model package that it holds.
    """

    name: str
    version: str
    run_id: str
    package_digest: str


def register_candidate(
    run: Run,
    package: Path,
    *,
    code: Path,
    name: str,
    digest: str,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Register a model package as a version of ``name`` and let the alias ``candidate`` point to it.

    The version is a Python-function model: MLflow copies ``code``, a file that calls ``mlflow.models.set_model``, and
    the package, which it finds as the artifact ``package``. Asked again for the same run and digest, the version that
    is there is returned.

    Args:
        run: The run that made the model.
        package: Local folder of the model package.
        code: The file with the model class.
        name: Registered name; made if missing.
        digest: Digest of the package.
        metrics: Metrics to show with the version.
        tags: Tags of the version.

    Raises:
        EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    with _global_uri(run.tracking_uri):  # MLflow looks some things up in its global store, whatever client asks
        return _register(run, package, code, name, digest, metrics or {}, tags or {})


def _register(
    run: Run, package: Path, code: Path, name: str, digest: str, metrics: Mapping[str, float], tags: Mapping[str, str]
) -> ModelVersion:
    client, uri = run.client, run.tracking_uri
    version = _existing(run, name, digest)
    if version is None:
        model_id = _log_model(run, package, code, name, digest, metrics)
        _make_name(client, uri, name)
        created = patiently(
            uri,
            lambda: client.create_model_version(
                name,
                source=f"models:/{model_id}",
                run_id=run.run_id,
                model_id=model_id,
                tags={**tags, _DIGEST: digest},
            ),
        )
        version = str(created.version)
    number = version
    patiently(uri, lambda: client.set_registered_model_alias(name, CANDIDATE, number))
    return ModelVersion(name, version, run.run_id, digest)


def _existing(run: Run, name: str, digest: str) -> str | None:
    query = f"name = '{_quoted(name)}' and run_id = '{run.run_id}'"
    found = patiently(run.tracking_uri, lambda: run.client.search_model_versions(query))
    return next((str(version.version) for version in found if version.tags.get(_DIGEST) == digest), None)


def _quoted(name: str) -> str:
    if "'" in name:
        raise EarthenwareError("BAD_MODEL_NAME", f"model_name {name!r} holds a quotation mark.", "Choose another.")
    return name


def _make_name(client: Any, uri: str, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        patiently(uri, lambda: client.create_registered_model(name), expected=("RESOURCE_ALREADY_EXISTS",))
    except MlflowException:
        return


def _log_model(run: Run, package: Path, code: Path, name: str, digest: str, metrics: Mapping[str, float]) -> str:
    """Upload the package as a logged model of the run; return its id."""
    import mlflow
    from mlflow.entities import LoggedModelOutput, Metric
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    client, uri = run.client, run.tracking_uri
    logged = patiently(
        uri,
        lambda: client.create_logged_model(
            run.experiment_id, name=_model_name(name), source_run_id=run.run_id, tags={_DIGEST: digest}
        ),
    )
    model_id = str(logged.model_id)
    columns = Schema([ColSpec("string", "chips"), ColSpec("string", "chip_id")])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        with warnings.catch_warnings():
            # That there is no example of the input: MLflow would run the model on it.
            warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
            mlflow.pyfunc.save_model(
                str(folder),
                mlflow_model=Model(run_id=run.run_id, model_id=model_id, artifact_path=logged.artifact_location),
                python_model=str(code),
                artifacts={"package": str(package)},
                signature=ModelSignature(inputs=columns),
                # Given, as MLflow would otherwise load the model in another process to find out.
                pip_requirements=[f"earthenware=={__version__}", f"mlflow=={mlflow.__version__}"],
            )
        for cache in folder.rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
        patiently(uri, lambda: client.log_model_artifacts(model_id, str(folder)))
    patiently(uri, lambda: client.finalize_logged_model(model_id, "READY"))
    patiently(uri, lambda: client.log_outputs(run.run_id, [LoggedModelOutput(model_id, step=0)]))
    now = int(logged.creation_timestamp)
    values = [Metric(key, float(value), now, 0, model_id=model_id) for key, value in metrics.items()]
    if values:
        patiently(uri, lambda: client.log_batch(run.run_id, metrics=values))
    return model_id


def _model_name(name: str) -> str:
    # A logged model's name may not hold what separates parts of a model URI.
    return "".join("-" if letter in "/:.%\"'" else letter for letter in name)


def find_version(name: str, alias: str, tracking_uri: str) -> ModelVersion | None:
    """Return the version of ``name`` that ``alias`` points to, or None.

    Raises:
        EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    from mlflow.exceptions import MlflowException

    client = connect(tracking_uri)
    try:
        ask = partial(client.get_model_version_by_alias, name, alias)
        found = patiently(tracking_uri, ask, expected=("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"))
    except MlflowException:
        return None
    return ModelVersion(name, str(found.version), str(found.run_id), found.tags.get(_DIGEST, ""))


def load_candidate(name: str, tracking_uri: str) -> Any:
    """Load the candidate of ``name`` as a Python-function model.

    Its ``predict`` takes a table with the columns ``chips`` (URI of a chip store) and ``chip_id``, and returns an
    array of embeddings `[row, dim]`.

    Raises:
        EarthenwareError: ``NO_MODEL_VERSION``, ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    if find_version(name, CANDIDATE, tracking_uri) is None:
        message = f"'{shown(tracking_uri)}' has no model '{name}' with the alias '{CANDIDATE}'."
        raise EarthenwareError("NO_MODEL_VERSION", message, "Train one, or correct the name.")
    import mlflow

    with _global_uri(tracking_uri):
        return patiently(tracking_uri, lambda: mlflow.pyfunc.load_model(f"models:/{name}@{CANDIDATE}"))


@contextlib.contextmanager
def _global_uri(uri: str) -> Iterator[None]:
    """Point MLflow's global stores to ``uri`` within a block.

    Its setters write environment variables too, which would outlive the block and misdirect whatever comes after.
    """
    prepare_environment()
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = {name: os.environ.get(name) for name in names}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(before["MLFLOW_REGISTRY_URI"] or uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # documented for resetting
        mlflow.set_registry_uri(None)  # type: ignore[arg-type]
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
