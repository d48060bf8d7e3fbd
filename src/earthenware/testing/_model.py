"""A model that was never trained, where a test needs one but not what it knows."""

from __future__ import annotations

from collections.abc import Sequence

from earthenware.products import TrainedModel
from earthenware.steps import Attempt, Result, StepReport
from earthenware.testing._step import run_small_step


def make_model(
    chips: str, output: str, *, sensors: Sequence[str] = (), preset: str = "nano", seed: int = 0
) -> StepReport:
    """Write a model package as a train step would, with weights that were drawn and never trained.

    Args:
        chips: A chip store.
        output: The prefix of the step.
        sensors: Ids of the sensors that the model reads; empty for all but labels.
        preset: Size of the model; it is made one layer deep.
        seed: Of the weights.
    """

    def body(attempt: Attempt) -> Result:
        import pyarrow as pa
        import torch

        from earthenware.chips import ChipStore
        from earthenware.inference import PackageInfo, save_package
        from earthenware.models.mae import FAMILY

        store = ChipStore.open(chips)
        torch.manual_seed(seed)
        info = PackageInfo.from_store(store, sensors)
        model = FAMILY.build(FAMILY.configure(preset, info.reads, {"dim": 32, "depth": 1}), info.reads)
        digest = save_package(attempt.uri("model"), model, info)
        history = {"epoch": [1, 2, 3], "train_loss": [1.0, 0.8, 0.7], "validation_loss": [0.9, 0.85, None]}
        attempt.put_table("history.parquet", pa.table({**history, "learning_rate": [1e-4, 2e-4, 1e-4]}))
        return Result(
            counts={"chips": len(store)},
            metrics={"train_loss": 0.7, "validation_loss": 0.85},
            details=TrainedModel(package="model", package_digest=digest, family=FAMILY.name).details(),
            content=digest,
        )

    return run_small_step("train", output, body, inputs={"chips": chips}, content=f"{preset} {seed} {list(sensors)}")
