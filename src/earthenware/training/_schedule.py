"""Learning-rate schedules: pure functions of the step, so that a resumed run continues the same curve."""

from __future__ import annotations

import math

from earthenware.errors import EarthenwareError

# Clay v0's card: CosineAnnealingWarmRestarts(T_0=1000, T_mult=2, eta_min=10 x the learning rate), stepped per batch.
_V0_FIRST_CYCLE = 1000
_V0_CYCLE_GROWTH = 2
_V0_FLOOR = 10.0

SCHEDULES = ("warmup-cosine", "clay-v0")


def warmup_steps(total: int, fraction: float) -> int:
    """Return how many of ``total`` steps warm up: at least one, and fewer than all."""
    return max(1, min(total - 1, round(total * fraction))) if total > 1 else 0


def factor(name: str, step: int, total: int, warmup: int) -> float:
    """Return what the base learning rate is multiplied by at ``step``.

    Args:
        name: One of :data:`SCHEDULES`. ``warmup-cosine`` rises linearly to 1 over ``warmup`` steps, then falls along a
            half cosine that would reach 0 at step ``total``. ``clay-v0`` is the reference card's schedule: its floor
            lies above the base rate, so it climbs from 1 to 10 within each cycle and then drops back. It is kept to
            reproduce the reference, not to be recommended.
        step: Optimiser step, counted from 0.
        total: Number of optimiser steps of the whole run.
        warmup: Number of warm-up steps; ``clay-v0`` has none.

    Raises:
        EarthenwareError: ``UNKNOWN_SCHEDULE``.
    """
    if name == "warmup-cosine":
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    if name == "clay-v0":
        position, cycle = step, _V0_FIRST_CYCLE
        while position >= cycle:
            position -= cycle
            cycle *= _V0_CYCLE_GROWTH
        return _V0_FLOOR + (1.0 - _V0_FLOOR) * 0.5 * (1.0 + math.cos(math.pi * position / cycle))
    raise EarthenwareError(
        "UNKNOWN_SCHEDULE", f"schedule is '{name}', which does not exist.", f"Use one of: {', '.join(SCHEDULES)}."
    )
