"""Versions of a model: registered from a package on disk, with code in a file and no pickle."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from earthenware import __version__
from earthenware.errors import EarthenwareError
from earthenware.tracking._client import CANDIDATE, check_model_name, patiently, prepare_environment
from earthenware.tracking._run import Run

_DIGEST = "earthenware.package_digest"


def register_candidate(
    run: Run, package: Path, *, code: Path, name: str, digest: str, metrics: Mapping[str, float] | None = None
) -> str:
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

    Returns:
        The version, counted from 1.

    Raises:
        EarthenwareError: ``BAD_MODEL_NAME``, ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    try:
        check_model_name(name)
    except ValueError as error:
        raise EarthenwareError("BAD_MODEL_NAME", f"model_name {name!r}: {error}.", "Choose another.") from None
    client, ask = run.client, partial(patiently, run.tracking_uri)
    with _global_uri(run.tracking_uri):  # MLflow looks some things up in its global store, whatever client asks
        found = ask(client.search_model_versions, f"name = '{name}' and run_id = '{run.run_id}'")
        version = next((str(one.version) for one in found if one.tags.get(_DIGEST) == digest), None)
        if version is None:
            model = _log_model(run, package, code, name, digest, metrics or {})
            ask(client.create_registered_model, name, absent=("RESOURCE_ALREADY_EXISTS",))
            made = ask(
                client.create_model_version,
                name,
                source=f"models:/{model}",
                run_id=run.run_id,
                model_id=model,
                tags={_DIGEST: digest},
            )
            version = str(made.version)
        ask(client.set_registered_model_alias, name, CANDIDATE, version)
    return version


def _log_model(run: Run, package: Path, code: Path, name: str, digest: str, metrics: Mapping[str, float]) -> str:
    """Upload the package as a logged model of the run; return its id."""
    import mlflow
    from mlflow.entities import LoggedModelOutput, Metric
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    client, ask = run.client, partial(patiently, run.tracking_uri)
    # A logged model's name may not hold what separates parts of a model URI.
    plain = name.translate(dict.fromkeys(map(ord, "/:.%\"'"), "-"))
    logged = ask(
        client.create_logged_model, run.experiment_id, name=plain, source_run_id=run.run_id, tags={_DIGEST: digest}
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
        ask(client.log_model_artifacts, model_id, str(folder))
    ask(client.finalize_logged_model, model_id, "READY")
    ask(client.log_outputs, run.run_id, [LoggedModelOutput(model_id, step=0)])
    now = int(logged.creation_timestamp)
    values = [Metric(key, float(value), now, 0, model_id=model_id) for key, value in metrics.items()]
    if values:
        ask(client.log_batch, run.run_id, metrics=values)
    return model_id


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
