"""What MLflow is told of a training run, and when."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self

from earthenware import tracking
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.products import TrackedModel
from earthenware.steps import Attempt, lineage
from earthenware.training._job import PACKAGE, Note
from earthenware.training._spec import TrainSpec

_SERVED = Path(__file__).with_name("_served.py")


class Record:
    """The MLflow run of an attempt, as a context manager; without tracking it does nothing.

    The run is opened before training, so that a server that is not there costs no training time. From then until the
    weights are written, a store that fails only gives a warning. A later attempt goes on with the same run.
    """

    def __init__(self, spec: TrainSpec, store: ChipStore, attempt: Attempt) -> None:
        self._spec, self._store, self._attempt = spec, store, attempt
        self._run: tracking.Run | None = None
        self._lost = False

    def __enter__(self) -> Self:
        attempt, spec = self._attempt, self._spec
        uri = spec.tracking_at(attempt.output)
        if uri == tracking.OFF:
            return self
        shown = tracking.shown(uri)
        part = f"mlflow-{hashlib.sha256(shown.encode()).hexdigest()[:12]}"
        resume = attempt.committed().get(part, {}).get("run_id", "")
        name = f"{spec.preset} on {len(self._store)} chips"
        self._run = tracking.open_run(uri, experiment=spec.experiment, name=name, resume=resume)
        attempt.commit(part, {"run_id": self._run.run_id, "tracking_uri": shown})
        self._run.log_params(spec.results(), "train")
        self._run.set_tags({"chips.uri": self._store.uri, "chips.content_digest": self._store.content_digest})
        if attempt.input("chips") is not None:
            # Shards of one step have one spec: its first speaks for all.
            steps = {one.step: one for one in reversed(lineage(self._store.uri).values())}
            for manifest in reversed(steps.values()):
                self._run.log_manifest(manifest)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._run is not None:
            status = "FAILED" if issubclass(kind, Exception) else "KILLED"
            with contextlib.suppress(EarthenwareError):  # the first error is the one to show
                self._run.finish(status)

    def epoch(self, row: Note) -> None:
        """Log an epoch as it ends; a store that fails now is tried again at the end."""
        if self._run is None or self._lost:
            return
        try:
            self._run.log_history([row], prefix="train")
        except EarthenwareError as error:
            self._lost = True
            self._attempt.warn(error.code, f"{error.message} Training goes on; the rest is recorded at its end.")

    def close(
        self, package: str, history: list[Note], metrics: dict[str, float], counts: dict[str, int]
    ) -> TrackedModel | None:
        """Complete the run and register the package (its digest); return where MLflow holds it, None without tracking.

        Raises:
            EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``, ``BAD_MODEL_NAME``.
        """
        run, spec = self._run, self._spec
        if run is None:
            return None
        there = run.logged_steps("train/train_loss")
        run.log_history([row for row in history if row["epoch"] not in there], prefix="train")
        run.log_metrics({f"count/{key}": float(value) for key, value in counts.items()}, prefix="train")
        run.set_tags({"model.package_digest": package})
        name = spec.model_name or f"earthenware-{spec.family}"
        folder = self._attempt.scratch / PACKAGE
        version = tracking.register_candidate(run, folder, code=_SERVED, name=name, digest=package, metrics=metrics)
        run.finish()
        shown = tracking.shown(run.tracking_uri)
        return TrackedModel(run_id=run.run_id, tracking_uri=shown, name=name, version=version)
