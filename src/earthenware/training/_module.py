"""The Lightning module: one optimiser step, one validation pass, and what they say about themselves."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist

from earthenware.errors import EarthenwareError
from earthenware.models import PretrainingEncoder
from earthenware.training._data import TrainingBatch
from earthenware.training._optimizer import adamw, factor, warmup_steps

if TYPE_CHECKING:
    from earthenware.training._spec import TrainSpec


def world_size() -> int:
    """Return the number of workers that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sum_over_workers(values: torch.Tensor) -> torch.Tensor:
    if world_size() > 1:
        dist.all_reduce(values)
    return values


class Pretraining(pl.LightningModule):
    """Pretrains a model.

    The loss of a step is the mean over all hidden patches of the *global* batch. Each worker scales its own sum by the
    global count, so the average of gradients that DDP takes is that of one worker with the whole batch: how many
    workers there are changes rounding, not the mathematics. ``steps`` are those of the whole run.
    """

    def __init__(self, model: PretrainingEncoder, spec: TrainSpec, steps: int, attempt: str) -> None:
        super().__init__()
        self.model = model
        self.history: list[dict[str, Any]] = []  # one row per finished epoch
        self._spec, self._steps, self._attempt = spec, steps, attempt
        self._warmup = warmup_steps(steps, spec.warmup) if spec.warmup else 0
        # Running sums of the epoch: squared errors, hidden patches, chips, seconds.
        self._sums: dict[str, Any] = _fresh(0)
        self._validation = [0.0, 0.0]
        self._tick = 0.0
        self.last_loss = math.nan

    def configure_optimizers(self) -> Any:
        """Return AdamW and the schedule, stepped after every batch."""
        optimizer = adamw(self.model, self._spec.learning_rate, self._spec.weight_decay)
        # A plain function: a method's attributes would become part of the scheduler's state.
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self._factor(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _factor(self, step: int) -> float:
        return factor(self._spec.schedule, step, self._steps, self._warmup)

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip to the norm asked for; Lightning's own clipping refuses a fused optimiser in mixed precision."""
        if self._spec.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._spec.clip)

    def on_train_batch_start(self, batch: TrainingBatch, batch_idx: int) -> None:
        if self._sums["epoch"] != self.current_epoch:
            self._sums = _fresh(self.current_epoch)
        self._tick = self._tick or time.perf_counter()

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> torch.Tensor:
        """Return the loss to differentiate.

        Raises:
            EarthenwareError: ``LOSS_NOT_FINITE``, on every worker at the same step.
        """
        output = self.model.pretraining_loss(batch.cube, batch.noise)
        hidden = output.targets
        own = torch.stack([(output.loss * hidden).detach().double(), hidden.double()])
        total, count = _sum_over_workers(own).unbind()
        if not total.isfinite():
            raise EarthenwareError(
                "LOSS_NOT_FINITE",
                f"The loss is no finite number at step {self.global_step + 1}.",
                "Lower learning_rate, or lengthen warmup; remove the output's checkpoints to start afresh.",
            )
        self._sums["error"] += float(total)
        self._sums["hidden"] += float(count)
        self._sums["chips"] += batch.chips
        self.last_loss = float(total / count.clamp(min=1))
        return output.loss * (hidden * world_size() / count.clamp(min=1)).to(output.loss.dtype)

    def on_train_batch_end(self, outputs: Any, batch: TrainingBatch, batch_idx: int) -> None:
        """Add up the time that training took: validation and checkpoints do not count as throughput."""
        now = time.perf_counter()
        self._sums["seconds"] += now - self._tick
        self._tick = now

    def on_validation_epoch_start(self) -> None:
        self._validation = [0.0, 0.0]

    def validation_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        output = self.model.pretraining_loss(batch.cube, batch.noise)
        self._validation[0] += float(output.loss.double() * output.targets)
        self._validation[1] += float(output.targets)

    def on_validation_epoch_end(self) -> None:
        own = torch.tensor(self._validation, device=self.device, dtype=torch.float64)
        self._validation = _sum_over_workers(own).tolist()
        self._tick = 0.0

    def close_epoch(self) -> dict[str, Any]:
        """Append the row of the epoch that ended, and return it."""
        sums, (error, hidden) = self._sums, self._validation
        self._tick = 0.0
        row = {
            "epoch": int(sums["epoch"]) + 1,
            "train_loss": sums["error"] / max(1.0, sums["hidden"]),
            "validation_loss": error / hidden if hidden else None,
            "learning_rate": self._spec.learning_rate * self._factor(max(0, self.global_step - 1)),
            "chips_per_second": sums["chips"] / max(1e-9, sums["seconds"]),
        }
        if not self.history or self.history[-1]["epoch"] < row["epoch"]:
            self.history.append(row)
        return self.history[-1]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history and the running sums, and say which attempt does."""
        kept = {"history": self.history, "sums": self._sums, "validation": self._validation}
        checkpoint["earthenware"] = {**kept, "attempt": self._attempt}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint["earthenware"]
        self.history, self._sums, self._validation = kept["history"], kept["sums"], kept["validation"]


def _fresh(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "error": 0.0, "hidden": 0.0, "chips": 0, "seconds": 0.0}
