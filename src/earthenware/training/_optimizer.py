"""AdamW with weight decay on matrices only, and its learning rate: pure functions of the step, for exact resume."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from earthenware.training._spec import Schedule

# Masked autoencoders (He et al. 2022, table 8) and Clay v0's card agree on these moments.
BETAS = (0.9, 0.95)

# Clay v0's card: CosineAnnealingWarmRestarts(T_0=1000, T_mult=2, eta_min=10 x the learning rate), stepped per batch.
_V0_FIRST_CYCLE = 1000
_V0_CYCLE_GROWTH = 2
_V0_FLOOR = 10.0


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the trainable parameters into those that decay and those that do not.

    Vectors (biases, norms) and learned tokens, whatever their shape, are not pulled to zero: they carry an offset or
    a meaning, not a linear map.
    """
    decay: list[nn.Parameter] = []
    keep: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            matrix = parameter.ndim >= 2 and "token" not in name.rsplit(".", 1)[-1]
            (decay if matrix else keep).append(parameter)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": keep, "weight_decay": 0.0}]


def adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> Any:
    """Return the optimiser of ``model``; fused, which is measurably quicker on both CPU and GPU."""
    groups = [group for group in parameter_groups(model, weight_decay) if group["params"]]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS, fused=True)


def warmup_steps(total: int, fraction: float) -> int:
    """Return how many of ``total`` steps warm up: at least one, and fewer than all."""
    return max(1, min(total - 1, round(total * fraction))) if total > 1 else 0


def factor(name: Schedule, step: int, total: int, warmup: int) -> float:
    """Return what the base learning rate is multiplied by at ``step`` of ``total``, counted from 0.

    ``warmup-cosine`` rises linearly to 1 over ``warmup`` steps, then falls along a half cosine that would reach 0 at
    step ``total``. ``clay-v0`` is the reference card's schedule: its floor lies above the base rate, so it climbs from
    1 to 10 within each cycle and then drops back. It is kept to reproduce the reference, not to be recommended.
    """
    if name == "clay-v0":
        position, cycle = step, _V0_FIRST_CYCLE
        while position >= cycle:
            position -= cycle
            cycle *= _V0_CYCLE_GROWTH
        return _V0_FLOOR + (1.0 - _V0_FLOOR) * 0.5 * (1.0 + math.cos(math.pi * position / cycle))
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.5 * (1.0 + math.cos(math.pi * progress))
