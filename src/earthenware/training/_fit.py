"""One worker's part of a training run: from the chips to the last checkpoint, with or without Ray around it."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import chips_to_batch, fresh_model
from earthenware.models import CubeBatch, PretrainingEncoder
from earthenware.training._cache import Group, cached, cached_bytes
from earthenware.training._checkpoint import SafetensorsCheckpoints, checkpoint_name, latest_checkpoint, prune
from earthenware.training._data import ChipLoader
from earthenware.training._job import Job, Post, split_chips
from earthenware.training._model import describe
from earthenware.training._module import Pretraining, world_size
from earthenware.training._sampler import ChipSampler

_PROGRESS_SECONDS = 0.5
_KEEP = 2


@dataclass
class Place:
    """Where a worker stands among all and on its machine, and what Lightning calls its device: "cpu" or "gpu"."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_size: int = 1
    node: int = 0
    accelerator: str = "cpu"
    strategy: Any = "auto"
    plugins: list[Any] = field(default_factory=list)


class _Reporter(pl.Callback):
    """Says how far training is, and makes the checkpoints."""

    def __init__(self, job: Job, post: Post, chips: int, rank: int) -> None:
        self._job, self._post, self._chips, self._rank = job, post, chips, rank
        self._said = 0.0

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        every, step = self._job.spec.checkpoint_every_steps, trainer.global_step
        if every and step % every == 0 and batch_idx + 1 < trainer.num_training_batches:
            self._save(trainer, step)
        now = time.monotonic()
        if self._rank == 0 and now - self._said >= _PROGRESS_SECONDS:
            self._said = now
            sampler = trainer.train_dataloader.sampler
            done = trainer.current_epoch * self._chips + sum(map(sampler.global_size, range(batch_idx + 1)))
            self._post({"kind": "progress", "done": done, "total": self._job.spec.epochs * self._chips})

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        row = module.close_epoch()
        spec = self._job.spec
        every = spec.checkpoint_every_epochs
        if row["epoch"] == spec.epochs or (every and row["epoch"] % every == 0):
            self._save(trainer, trainer.global_step)
        if self._rank == 0:
            done = row["epoch"] * self._chips
            self._post({"kind": "epoch", "row": row, "done": done, "total": spec.epochs * self._chips})

    def _save(self, trainer: Any, step: int) -> None:
        uri = storage.join(self._job.checkpoints, checkpoint_name(step))
        trainer.save_checkpoint(uri)
        if self._rank == 0:
            prune(self._job.checkpoints, _KEEP)


def _agree(condition: bool) -> bool:
    if world_size() == 1:
        return condition
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    votes = torch.tensor([int(condition)], device=device)
    dist.all_reduce(votes, op=dist.ReduceOp.MIN)
    return bool(votes.item())


def _barrier() -> None:
    if world_size() > 1:
        dist.barrier()


def _quiet() -> None:
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


def _with_cache(
    job: Job, place: Place, store: ChipStore, sensors: Sequence[str], chips: np.ndarray, post: Post
) -> ChipStore:
    size = cached_bytes(store, sensors, len(chips))
    if not job.spec.cache_mb or size > job.spec.cache_mb * 2**20:
        return store
    group = Group(place.local_rank, place.local_size, f"{job.attempt}-{place.node}", _barrier, _agree)
    found = cached(store, sensors, chips, group)
    if found is None and place.rank == 0:
        message = f"no room for a cache of {size / 2**20:.0f} MB: chips are read from the store each epoch"
        post({"kind": "log", "message": message})
    return store if found is None else found


def fit(job: Job, place: Place, post: Post) -> None:
    """Train until the last checkpoint exists, from the newest one that does.

    Raises:
        EarthenwareError: ``LOSS_NOT_FINITE``, ``TOO_FEW_CHIPS``, ``CHECKPOINT_*``, or what reading chips raises.
    """
    _quiet()
    spec = job.spec
    if place.accelerator == "cpu":
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // place.local_size))
    store = ChipStore.open(job.chips)
    config, info = describe(store, spec)
    train, validation = split_chips(store, "train"), split_chips(store, "validation")
    model = fresh_model(spec.family, config, info.reads, spec.seed).train()
    if not isinstance(model, PretrainingEncoder):
        raise EarthenwareError("BAD_MODEL", f"A model of the family {spec.family!r} cannot be pretrained.")
    everything = np.sort(np.concatenate([train, validation]))
    source = _with_cache(job, place, store, [one for one in info.sensors if one in store.sensors], everything, post)

    def read(chips: np.ndarray) -> CubeBatch:
        return chips_to_batch(source, chips, info)

    def loader(chips: np.ndarray, *, training: bool) -> ChipLoader:
        # Fewer validation chips than workers: each worker takes them all, which leaves the mean as it is.
        alone = not training and len(chips) < place.world_size
        rank, world = (0, 1) if alone else (place.rank, place.world_size)
        size = min(len(chips), max(spec.batch_size, 2 * world))
        batch_size = spec.batch_size if training else size
        sampler = ChipSampler(len(chips), batch_size, seed=spec.seed, rank=rank, world_size=world, shuffle=training)
        noise = model.noise_shape(store.chip_size)
        return ChipLoader(sampler, chips, read, noise=noise, training=training, augment=spec.augment)

    training = loader(train, training=True)
    steps = spec.epochs * len(training)
    latest = latest_checkpoint(job.checkpoints)
    if latest and place.rank == 0:
        post({"kind": "log", "message": f"resuming after step {latest[0]} of {steps}"})
    trainer = pl.Trainer(
        max_epochs=spec.epochs,
        accelerator=place.accelerator,
        devices=1 if place.strategy == "auto" else "auto",
        strategy=place.strategy,
        plugins=[*place.plugins, SafetensorsCheckpoints()],
        precision="bf16-mixed" if spec.precision == "bfloat16" else "32-true",
        callbacks=[_Reporter(job, post, len(train), place.rank)],
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        Pretraining(model, spec, steps, job.attempt),
        train_dataloaders=training,
        val_dataloaders=loader(validation, training=False) if len(validation) else None,
        ckpt_path=latest[1] if latest else None,
    )
