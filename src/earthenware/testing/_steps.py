"""What earlier steps leave behind: a small step, manifest and all, and a model that was never trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from earthenware.products import TrainedModel
from earthenware.steps import Attempt, Result, Spec, StepReport, run_step


class SmallSpec(Spec):
    """The spec of a small step: all that tells two of them apart."""

    content: str = ""


def run_small_step(
    name: str,
    output: str,
    body: Callable[[Attempt], Result],
    *,
    inputs: Mapping[str, str] | None = None,
    content: str = "",
) -> StepReport:
    """Run a function under the step contract.

    Args:
        name: Name of the step whose place it takes.
        output: The prefix that it owns.
        body: What it does; see :func:`earthenware.steps.run_step`.
        inputs: Role -> URI of the outputs of earlier steps.
        content: What tells it from a step of the same name; the same content is not run again.
    """
    return run_step(name, 1, spec=SmallSpec(content=content), inputs=dict(inputs or {}), output=output, body=body)


def make_model(chips: str, output: str, *, sensors: Sequence[str] = ()) -> StepReport:
    """Write a package of a tiny model as a train step would, with weights that were drawn and never trained.

    Args:
        chips: A chip store.
        output: The prefix of the step.
        sensors: Ids of the sensors that the model reads; empty for all but labels.
    """

    def body(attempt: Attempt) -> Result:
        import pyarrow as pa
        import torch

        from earthenware.chips import ChipStore
        from earthenware.inference import PackageInfo, save_package
        from earthenware.models.mae import FAMILY

        store = ChipStore.open(chips)
        torch.manual_seed(0)
        info = PackageInfo.from_store(store, sensors)
        model = FAMILY.build(FAMILY.configure("nano", info.reads, {"dim": 32, "depth": 1}), info.reads)
        digest = save_package(attempt.scratch / "model", model, info)
        attempt.put_tree("model", attempt.scratch / "model")
        history = {"epoch": [1, 2, 3], "train_loss": [1.0, 0.8, 0.7], "validation_loss": [0.9, 0.85, None]}
        attempt.put_table("history.parquet", pa.table({**history, "learning_rate": [1e-4, 2e-4, 1e-4]}))
        return Result(
            counts={"chips": len(store)},
            metrics={"train_loss": 0.7, "validation_loss": 0.85},
            details=TrainedModel(package="model", package_digest=digest, family=FAMILY.name).details(),
            content=digest,
        )

    return run_small_step("train", output, body, inputs={"chips": chips}, content=str(list(sensors)))
