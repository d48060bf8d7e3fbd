"""Which model a spec and a chip store ask for, and what it is on disk when it is trained."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import Package, PackageInfo, fresh_model, save_package
from earthenware.steps import Attempt
from earthenware.training._checkpoint import SafetensorsCheckpoints
from earthenware.training._job import PACKAGE
from earthenware.training._spec import TrainSpec


def describe(store: ChipStore, spec: TrainSpec) -> tuple[Any, PackageInfo]:
    """Return configuration and input of the model that ``spec`` asks for on the chips of ``store``.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``, ``BAD_MODEL``.
    """
    info = PackageInfo.from_store(store, spec.sensors)
    try:
        return spec.configure(info.reads), info
    except (LookupError, ValueError) as error:
        raise EarthenwareError("BAD_MODEL", str(error.args[0]), "Change it in the spec's section 'train'.") from error


def export(
    checkpoint: str, spec: TrainSpec, store: ChipStore, attempt: Attempt
) -> tuple[Package, list[dict[str, Any]]]:
    """Write the package of a checkpoint's weights and its history to the output; return it, and one row per epoch."""
    state = SafetensorsCheckpoints().load_checkpoint(checkpoint)
    config, info = describe(store, spec)
    model = fresh_model(spec.family, config, info.reads, spec.seed)
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in state["state_dict"].items()})
    history: list[dict[str, Any]] = state["earthenware"]["history"]
    losses = {name: history[-1][name] for name in ("train_loss", "validation_loss")}
    info = info.model_copy(update={"metrics": {name: loss for name, loss in losses.items() if loss is not None}})
    numbers = ("train_loss", "validation_loss", "learning_rate", "chips_per_second")
    schema = pa.schema([("epoch", pa.int32()), *((name, pa.float64()) for name in numbers)])
    attempt.put_table("history.parquet", pa.Table.from_pylist(history, schema=schema))
    folder = attempt.scratch / PACKAGE
    digest = save_package(folder, model, info)
    attempt.put_tree(PACKAGE, folder)
    return Package(model, info, digest), history
