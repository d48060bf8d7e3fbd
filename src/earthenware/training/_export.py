"""From the last checkpoint to the model package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.inference import fresh_model, save_package
from earthenware.steps import Attempt
from earthenware.training._checkpoint import SafetensorsCheckpoints
from earthenware.training._model import describe
from earthenware.training._spec import TrainSpec


@dataclass(frozen=True)
class Exported:
    """A trained model on disk.

    Attributes:
        folder: Local folder of the package.
        digest: Digest of the package.
        history: One row per epoch.
        parameters: Number of the model's parameters.
    """

    folder: Path
    digest: str
    history: list[dict[str, Any]]
    parameters: int


def export(checkpoint: str, spec: TrainSpec, store: ChipStore, attempt: Attempt) -> Exported:
    """Write the package of a checkpoint's weights below the output."""
    state = SafetensorsCheckpoints().load_checkpoint(checkpoint)
    description = describe(store, spec)
    model = fresh_model(spec.family, description.config, description.info.reads, spec.seed)
    weights = {name.removeprefix("model."): tensor for name, tensor in state["state_dict"].items()}
    model.load_state_dict(weights)
    history: list[dict[str, Any]] = state["earthenware"]["history"]
    last = history[-1]
    metrics = {name: last[name] for name in ("train_loss", "validation_loss") if last[name] is not None}
    folder = attempt.scratch / "model"
    digest = save_package(folder, model, description.info.model_copy(update={"metrics": metrics}))
    for path in sorted(folder.iterdir()):
        attempt.put_file(storage.join("model", path.name), path)
    return Exported(folder, digest, history, sum(parameter.numel() for parameter in model.parameters()))
