"""One MLflow run, addressed by its id: no global state, so that steps and threads do not get into each other's way."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.tracking._client import artifact_root, connect, patiently, shown

_NAME = re.compile(r"[^\w\-./ :]")
# MLflow finds an id that it could not have made invalid.
_NO_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_LONGEST = 6000  # characters of a parameter
_BATCH = 500  # the store takes up to 1000 values of all kinds at once


class StepManifest(Protocol):
    """The part of a step's manifest that a run records."""

    @property
    def step(self) -> str: ...
    @property
    def spec(self) -> Mapping[str, Any]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def rejects(self) -> Mapping[str, int]: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Run:
    """An MLflow run.

    Attributes:
        run_id: Its id.
        tracking_uri: The store that holds it.
        experiment_id: Its experiment.
        ours: Whether this package made it, and so may end it. A run that ``MLFLOW_RUN_ID`` named is its maker's to end.
    """

    run_id: str
    tracking_uri: str
    experiment_id: str
    ours: bool
    client: Any = field(repr=False, compare=False)

    def log_params(self, values: Mapping[str, Any], prefix: str = "") -> None:
        """Log parameters as ``prefix/name``; MLflow never changes one, so those that are there stay."""
        from mlflow.entities import Param

        present = patiently(self.tracking_uri, lambda: self.client.get_run(self.run_id)).data.params
        named = {_name(prefix, key): _text(value) for key, value in values.items()}
        params = [Param(key, value[:_LONGEST]) for key, value in named.items() if key not in present]
        self._batches(params=params)

    def log_metrics(self, values: Mapping[str, float | None], *, step: int = 0, prefix: str = "") -> None:
        """Log metrics as ``prefix/name`` at ``step``; what is not a finite number is left out."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._batches(
            metrics=[
                Metric(_name(prefix, key), float(value), now, step)
                for key, value in values.items()
                if value is not None and math.isfinite(value)
            ]
        )

    def log_history(self, rows: Sequence[Mapping[str, float | None]], *, axis: str = "epoch", prefix: str = "") -> None:
        """Log a table whose ``axis`` column is the step of the other columns' values."""
        for row in rows:
            step = row[axis]
            if step is None:
                raise ValueError(f"a row has no {axis}")
            values = {key: value for key, value in row.items() if key != axis}
            self.log_metrics(values, step=int(step), prefix=prefix)

    def logged_steps(self, metric: str) -> set[int]:
        """Return the steps at which a metric was logged."""
        rows = patiently(self.tracking_uri, lambda: self.client.get_metric_history(self.run_id, metric))
        return {int(row.step) for row in rows}

    def log_manifest(self, manifest: StepManifest) -> None:
        """Log what a step was asked and what it made: parameters, counts, metrics, digest, and the whole manifest."""
        step = manifest.step
        self.log_params(manifest.spec, step)
        counts = {f"count/{key}": float(value) for key, value in manifest.counts.items()}
        rejects = {f"rejects/{key}": float(value) for key, value in manifest.rejects.items()}
        seconds = {f"seconds/{key}": value for key, value in manifest.seconds.items()}
        self.log_metrics({**manifest.metrics, **counts, **rejects, **seconds}, prefix=step)
        self.set_tags({f"{step}.digest": manifest.digest, f"{step}.fingerprint": manifest.fingerprint})
        dump = getattr(manifest, "model_dump", None)
        if callable(dump):
            text = json.dumps(_clean(dump(mode="json")), indent=2, sort_keys=True)
            self.log_bytes(f"manifests/{_NAME.sub('_', step)}.json", text.encode())

    def log_bytes(self, path: str, data: bytes) -> None:
        """Log an artifact, such as ``pictures/reconstruction.png``."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch) / name
            local.write_bytes(data)
            patiently(self.tracking_uri, lambda: self.client.log_artifact(self.run_id, str(local), folder or None))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self._batches(tags=[RunTag(_NAME.sub("_", key), _text(value)) for key, value in tags.items()])

    def finish(self, status: str = "FINISHED") -> None:
        """End the run if it is ours: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        if self.ours:
            patiently(self.tracking_uri, lambda: self.client.set_terminated(self.run_id, status))

    def _batches(self, **values: list[Any]) -> None:
        for kind, items in values.items():
            for start in range(0, len(items), _BATCH):
                chunk = {kind: items[start : start + _BATCH]}
                patiently(self.tracking_uri, partial(self.client.log_batch, self.run_id, **chunk))


def _name(prefix: str, key: str) -> str:
    return _NAME.sub("_", f"{prefix}/{key}" if prefix else key)


def _text(value: Any) -> str:
    """Return a value as the text to log, without the secrets that URIs may hold."""
    if isinstance(value, str):
        return storage.redact(value) if "://" in value else value
    return json.dumps(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storage.redact(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def open_run(
    tracking_uri: str, *, experiment: str, name: str, resume: str = "", tags: Mapping[str, str] | None = None
) -> Run:
    """Open the run to log to.

    It is, in this order: the one that ``MLFLOW_RUN_ID`` names, which stays its maker's to end; the run ``resume``, if
    it still exists; a new one.

    Args:
        tracking_uri: The store; see :func:`earthenware.tracking.resolve_uri`.
        experiment: Experiment of a new run; made if missing.
        name: Name of a new run.
        resume: Id of a run that an earlier attempt opened.
        tags: Tags of a new run.

    Raises:
        EarthenwareError: ``NO_TRACKING_RUN`` when ``MLFLOW_RUN_ID`` names no run of this store,
            ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    client = connect(tracking_uri)
    given = os.environ.get("MLFLOW_RUN_ID", "")
    if given:
        found = _get(client, tracking_uri, given)
        if found is None:
            raise EarthenwareError(
                "NO_TRACKING_RUN",
                f"MLFLOW_RUN_ID names the run '{given}', which '{shown(tracking_uri)}' does not have.",
                "Unset it, or set MLFLOW_TRACKING_URI to the store that has the run.",
            )
        return Run(given, tracking_uri, found.info.experiment_id, ours=False, client=client)
    found = _get(client, tracking_uri, resume) if resume else None
    if found is not None:
        patiently(tracking_uri, lambda: client.update_run(resume, status="RUNNING"))
        return Run(resume, tracking_uri, found.info.experiment_id, ours=True, client=client)
    experiment_id = _experiment(client, tracking_uri, experiment)
    all_tags = {"mlflow.source.name": "earthenware", **(tags or {})}
    new = patiently(tracking_uri, lambda: client.create_run(experiment_id, run_name=name, tags=all_tags))
    return Run(new.info.run_id, tracking_uri, experiment_id, ours=True, client=client)


def resume_run(run_id: str, tracking_uri: str) -> Run:
    """Return a run that an earlier step opened, to log more to it; it is not ours to end.

    Raises:
        EarthenwareError: ``NO_TRACKING_RUN``, ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    # What a manifest names is without user and password, which the environment may have.
    full = os.environ.get("MLFLOW_TRACKING_URI", "")
    if full and shown(full) == tracking_uri:
        tracking_uri = full
    client = connect(tracking_uri)
    found = _get(client, tracking_uri, run_id)
    if found is None:
        message = f"The MLflow store '{shown(tracking_uri)}' has no run '{run_id}'."
        raise EarthenwareError("NO_TRACKING_RUN", message, "Was it deleted, or is this another store?")
    return Run(run_id, tracking_uri, found.info.experiment_id, ours=False, client=client)


def _get(client: Any, uri: str, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        run = patiently(uri, lambda: client.get_run(run_id), expected=_NO_RUN)
    except MlflowException:
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _experiment(client: Any, uri: str, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = patiently(uri, lambda: client.get_experiment_by_name(name))
    if found is None:
        try:
            make = partial(client.create_experiment, name, artifact_root(uri))
            return str(patiently(uri, make, expected=("RESOURCE_ALREADY_EXISTS",)))
        except MlflowException:  # another process was quicker
            found = patiently(uri, lambda: client.get_experiment_by_name(name))
    if found is None or found.lifecycle_stage != "active":
        message = f"The MLflow experiment '{name}' in '{shown(uri)}' was deleted."
        raise EarthenwareError("NO_TRACKING_EXPERIMENT", message, "Restore it, or name another experiment.")
    return str(found.experiment_id)
