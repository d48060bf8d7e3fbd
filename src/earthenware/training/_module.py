"""The Lightning module: one optimiser step, one validation pass, and what they say about themselves."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist

from earthenware.errors import EarthenwareError
from earthenware.models import PretrainingEncoder, PretrainingLoss
from earthenware.training._data import TrainingBatch
from earthenware.training._optimizer import adamw, factor, warmup_steps

if TYPE_CHECKING:
    from earthenware.training._spec import TrainSpec


def _sum_over_workers(*values: torch.Tensor) -> torch.Tensor:
    total = torch.stack([value.detach().to(torch.float64) for value in values])
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total


class Pretraining(pl.LightningModule):
    """Pretrains a model.

    The loss of a step is the mean over all hidden patches of the *global* batch. Each worker scales its own sum by the
    global count, so the average of gradients that DDP takes is that of one worker with the whole batch: how many
    workers there are changes rounding, not the mathematics.

    Attributes:
        history: One row per finished epoch; kept in checkpoints.

    Args:
        model: The model.
        spec: How to train it.
        steps: Optimiser steps of the whole run.
    """

    def __init__(self, model: PretrainingEncoder, spec: TrainSpec, steps: int) -> None:
        super().__init__()
        self.model = model
        self.history: list[dict[str, Any]] = []
        self._spec, self._steps = spec, steps
        self._warmup = warmup_steps(steps, spec.warmup) if spec.warmup else 0
        # Running sums of the epoch: squared errors, hidden patches, chips, seconds.
        self._sums: dict[str, Any] = _fresh(0)
        self._validation = [0.0, 0.0]
        self._tick = 0.0
        self.last_loss = math.nan

    # ------------------------------------------------------------------------------------------------------ training

    def configure_optimizers(self) -> Any:
        """Return AdamW and the schedule, stepped after every batch."""
        spec = self._spec
        optimizer = adamw(self.model, spec.learning_rate, spec.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: factor(spec.schedule, step, self._steps, self._warmup)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip to the norm asked for; Lightning's own clipping refuses a fused optimiser in mixed precision."""
        if self._spec.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._spec.clip)

    def on_train_batch_start(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Note the time."""
        if self._sums["epoch"] != self.current_epoch:
            self._sums = _fresh(self.current_epoch)
        self._tick = self._tick or time.perf_counter()

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> torch.Tensor:
        """Return the loss to differentiate.

        Raises:
            EarthenwareError: ``LOSS_NOT_FINITE``, on every worker at the same step.
        """
        output = self._forward(batch)
        hidden = output.targets
        total, count = _sum_over_workers(output.loss * hidden, hidden).unbind()
        self._check(total, f"step {self.global_step + 1}")
        world = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        self._sums["error"] += float(total)
        self._sums["hidden"] += float(count)
        self._sums["chips"] += batch.chips
        self.last_loss = float(total / count.clamp(min=1))
        return output.loss * (hidden * world / count.clamp(min=1)).to(output.loss.dtype)

    def on_train_batch_end(self, outputs: Any, batch: TrainingBatch, batch_idx: int) -> None:
        """Add up the time that training took: validation and checkpoints do not count as throughput."""
        now = time.perf_counter()
        self._sums["seconds"] += now - self._tick
        self._tick = now

    def _forward(self, batch: TrainingBatch) -> PretrainingLoss:
        return self.model.pretraining_loss(batch.cube, batch.noise)

    def _check(self, total: torch.Tensor, when: str) -> None:
        if not math.isfinite(float(total)):
            raise EarthenwareError(
                "LOSS_NOT_FINITE",
                f"The loss is no finite number at {when}.",
                "Lower learning_rate, or lengthen warmup; remove the output's checkpoints to start afresh.",
            )

    # ---------------------------------------------------------------------------------------------------- validation

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._validation = [0.0, 0.0]

    def validation_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Add a batch to the validation loss."""
        output = self._forward(batch)
        hidden = output.targets
        self._validation[0] += float(output.loss.double() * hidden)
        self._validation[1] += float(hidden)

    def on_validation_epoch_end(self) -> None:
        """Put the workers' sums together."""
        device = self.device
        error, hidden = self._validation
        total = _sum_over_workers(
            torch.tensor(error, device=device, dtype=torch.float64), torch.tensor(hidden, device=device)
        )
        self._validation = [float(total[0]), float(total[1])]
        self._tick = 0.0

    # ------------------------------------------------------------------------------------------------------- history

    def close_epoch(self) -> dict[str, Any]:
        """Append the row of the epoch that ended, and return it."""
        sums, (error, hidden) = self._sums, self._validation
        self._tick = 0.0
        row = {
            "epoch": int(sums["epoch"]) + 1,
            "train_loss": sums["error"] / max(1.0, sums["hidden"]),
            "validation_loss": error / hidden if hidden else None,
            "learning_rate": self.learning_rate(self.global_step - 1),
            "chips_per_second": sums["chips"] / max(1e-9, sums["seconds"]),
        }
        if not self.history or self.history[-1]["epoch"] < row["epoch"]:
            self.history.append(row)
        return self.history[-1]

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self._spec.learning_rate * factor(self._spec.schedule, max(0, step), self._steps, self._warmup)

    def chips_per_second(self) -> float:
        """Return the throughput of the epoch so far, over all workers."""
        return float(self._sums["chips"] / max(1e-9, self._sums["seconds"]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history and the running sums."""
        checkpoint["earthenware"] = {"history": self.history, "sums": self._sums, "validation": self._validation}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up again."""
        kept = checkpoint["earthenware"]
        self.history, self._sums, self._validation = kept["history"], kept["sums"], kept["validation"]


def _fresh(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "error": 0.0, "hidden": 0.0, "chips": 0, "seconds": 0.0}
