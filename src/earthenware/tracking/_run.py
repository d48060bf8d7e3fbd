"""One MLflow run, addressed by its id: no global state, so that steps and threads do not get into each other's way."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from earthenware.errors import EarthenwareError, redact
from earthenware.steps import Manifest
from earthenware.tracking._client import connect, database, patiently, shown

_NAME = re.compile(r"[^\w\-./ :]")
# MLflow finds an id that it could not have made invalid.
_NO_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_LONGEST = 6000  # characters of a parameter
_BATCH = 500  # the store takes up to 1000 values of all kinds at once


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

    def _ask(self, call: Callable[..., Any], *values: Any, **named: Any) -> Any:
        return patiently(self.tracking_uri, call, *values, **named)

    def log_params(self, values: Mapping[str, Any], prefix: str = "") -> None:
        """Log parameters as ``prefix/name``; MLflow never changes one, so those that are there stay."""
        from mlflow.entities import Param

        present = self._ask(self.client.get_run, self.run_id).data.params
        named = {_name(prefix, key): _text(value) for key, value in values.items()}
        self._log("params", [Param(key, value[:_LONGEST]) for key, value in named.items() if key not in present])

    def log_metrics(self, values: Mapping[str, float | None], *, step: int = 0, prefix: str = "") -> None:
        """Log metrics as ``prefix/name`` at ``step``; what is not a finite number is left out."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        known = {key: float(value) for key, value in values.items() if value is not None and math.isfinite(value)}
        self._log("metrics", [Metric(_name(prefix, key), value, now, step) for key, value in known.items()])

    def log_history(self, rows: Sequence[Mapping[str, float | None]], *, prefix: str = "") -> None:
        """Log a table whose column ``epoch`` is the step of the other columns' values."""
        for row in rows:
            values = dict(row)
            step = values.pop("epoch")
            if step is None:
                raise ValueError("a row has no epoch")
            self.log_metrics(values, step=int(step), prefix=prefix)

    def logged_steps(self, metric: str) -> set[int]:
        """Return the steps at which a metric was logged."""
        return {int(row.step) for row in self._ask(self.client.get_metric_history, self.run_id, metric)}

    def log_manifest(self, manifest: Manifest) -> None:
        """Log what a step was asked and what it made: parameters, counts, metrics, digest, and the whole manifest."""
        step = manifest.step
        self.log_params(manifest.spec, step)
        counted: dict[str, Mapping[str, float]] = {
            "count": manifest.counts,
            "rejects": manifest.rejects,
            "seconds": manifest.seconds,
        }
        figures = {f"{kind}/{key}": float(value) for kind, some in counted.items() for key, value in some.items()}
        self.log_metrics({**manifest.metrics, **figures}, prefix=step)
        self.set_tags({f"{step}.digest": manifest.digest, f"{step}.fingerprint": manifest.fingerprint})
        text = json.dumps(_clean(manifest.model_dump(mode="json")), indent=2, sort_keys=True)
        self.log_bytes(f"manifests/{_name('', step)}.json", text.encode())

    def log_bytes(self, path: str, data: bytes) -> None:
        """Log an artifact, such as ``pictures/reconstruction.png``."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch) / name
            local.write_bytes(data)
            self._ask(self.client.log_artifact, self.run_id, str(local), folder or None)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self._log("tags", [RunTag(_name("", key), _text(value)) for key, value in tags.items()])

    def finish(self, status: str = "FINISHED") -> None:
        """End the run if it is ours: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        if self.ours:
            self._ask(self.client.set_terminated, self.run_id, status)

    def _log(self, kind: str, values: list[Any]) -> None:
        for start in range(0, len(values), _BATCH):
            self._ask(self.client.log_batch, self.run_id, **{kind: values[start : start + _BATCH]})


def _name(prefix: str, key: str) -> str:
    return _NAME.sub("_", f"{prefix}/{key}" if prefix else key)


def _text(value: Any) -> str:
    """Return a value as the text to log, without the secrets that URIs may hold."""
    clean = _clean(value)
    return clean if isinstance(clean, str) else json.dumps(clean)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
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
    client, ask = connect(tracking_uri), partial(patiently, tracking_uri)
    given = os.environ.get("MLFLOW_RUN_ID", "")
    found = _find(client, tracking_uri, given or resume)
    if given and found is None:
        message = f"MLFLOW_RUN_ID names the run '{given}', which '{shown(tracking_uri)}' does not have."
        remedy = "Unset it, or set MLFLOW_TRACKING_URI to the store that has the run."
        raise EarthenwareError("NO_TRACKING_RUN", message, remedy)
    if found is not None:
        if not given:
            ask(client.update_run, resume, status="RUNNING")
        return Run(given or resume, tracking_uri, found.info.experiment_id, ours=not given, client=client)
    experiment_id = _experiment(client, tracking_uri, experiment)
    all_tags = {"mlflow.source.name": "earthenware", **(tags or {})}
    new = ask(client.create_run, experiment_id, run_name=name, tags=all_tags)
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
    found = _find(client, tracking_uri, run_id)
    if found is None:
        message = f"The MLflow store '{shown(tracking_uri)}' has no run '{run_id}'."
        raise EarthenwareError("NO_TRACKING_RUN", message, "Was it deleted, or is this another store?")
    return Run(run_id, tracking_uri, found.info.experiment_id, ours=False, client=client)


def _find(client: Any, uri: str, run_id: str) -> Any:
    """Return a run; None where there is none, or it was deleted."""
    run = patiently(uri, client.get_run, run_id, absent=_NO_RUN) if run_id else None
    return run if run is not None and run.info.lifecycle_stage == "active" else None


def _experiment(client: Any, uri: str, name: str) -> str:
    """Return the id of an experiment, which is made if missing."""
    ask, file = partial(patiently, uri), database(uri)
    found = ask(client.get_experiment_by_name, name)
    if found is None:
        artifacts = (file.parent / "mlflow-artifacts").as_uri() if file else None
        made = ask(client.create_experiment, name, artifacts, absent=("RESOURCE_ALREADY_EXISTS",))
        if made is not None:
            return str(made)
        found = ask(client.get_experiment_by_name, name)  # another process was quicker
    if found is None or found.lifecycle_stage != "active":
        message = f"The MLflow experiment '{name}' in '{shown(uri)}' was deleted."
        raise EarthenwareError("NO_TRACKING_EXPERIMENT", message, "Restore it, or name another experiment.")
    return str(found.experiment_id)
