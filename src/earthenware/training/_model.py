"""Which model a spec and a chip store ask for, how it reads chips, and what it is on disk when it is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import PackageInfo, chips_to_batch, fresh_model, save_package
from earthenware.models import CubeBatch, family
from earthenware.steps import Attempt
from earthenware.training._spec import TrainSpec


@dataclass(frozen=True)
class Description:
    """A model to train and its input.

    Attributes:
        config: The model's configuration, of its family.
        info: Its input.
        sensors: The sensors of the store that it reads.
    """

    config: Any
    info: PackageInfo
    sensors: tuple[str, ...]


def describe(store: ChipStore, spec: TrainSpec) -> Description:
    """Return the model that ``spec`` asks for on the chips of ``store``.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``, ``BAD_MODEL``.
    """
    info = PackageInfo.from_store(store, spec.sensors)
    try:
        chosen = family(spec.family)
        config = chosen.configure(spec.preset, info.reads, spec.model_values(chosen.values))
    except (LookupError, ValueError) as error:
        raise EarthenwareError("BAD_MODEL", str(error.args[0]), "Change it in the spec's section 'train'.") from error
    return Description(config, info, tuple(sensor for sensor in info.sensors if sensor in store.sensors))


def reader(store: ChipStore, description: Description) -> Callable[[NDArray[np.int64]], CubeBatch]:
    """Return the function that reads chips into a batch, just as inference does."""
    return lambda chips: chips_to_batch(store, chips, description.info)


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
    from earthenware.training._checkpoint import SafetensorsCheckpoints

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
