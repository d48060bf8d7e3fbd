"""One worker of test_gradients, as a program: chips, meeting file, rank, number of workers, result file."""

from __future__ import annotations

import sys

import numpy as np
import torch
import torch.distributed as dist

from earthenware.chips import ChipStore
from earthenware.inference import chips_to_batch, fresh_model
from earthenware.models import CubeBatch
from earthenware.training import TrainSpec
from earthenware.training._data import ChipLoader
from earthenware.training._job import split_chips
from earthenware.training._model import describe
from earthenware.training._module import Pretraining
from earthenware.training._sampler import ChipSampler


def gradients(chips: str, meeting: str, rank: int, world_size: int) -> tuple[np.ndarray, float]:
    """Return the gradient of the first step, averaged over workers as DDP does, and the loss it reports."""
    torch.set_num_threads(1)
    if world_size > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world_size)
    spec = TrainSpec(patch_size=4, batch_size=13, workers=world_size)
    store = ChipStore.open(chips)
    config, info = describe(store, spec)
    numbers = split_chips(store, "train")
    sampler = ChipSampler(len(numbers), spec.batch_size, seed=0, rank=rank, world_size=world_size)
    model = fresh_model(spec.family, config, info.reads, 0).train()
    noise = model.noise_shape(store.chip_size)

    def read(chips: np.ndarray) -> CubeBatch:
        return chips_to_batch(store, chips, info)

    loader = ChipLoader(sampler, numbers, read, noise=noise, training=True, augment=True)
    module = Pretraining(model, spec, 10, "test")
    module.on_train_batch_start(batch := next(iter(loader)), 0)
    module.training_step(batch, 0).backward()
    found = torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])
    if world_size > 1:
        dist.all_reduce(found)
        found /= world_size
        dist.destroy_process_group()
    return found.numpy(), module.last_loss


if __name__ == "__main__":
    gradient, loss = gradients(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    np.savez(sys.argv[5], gradient=gradient, loss=loss)
