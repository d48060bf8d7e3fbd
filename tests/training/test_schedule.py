from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earthenware.training._optimizer import factor, warmup_steps


@given(total=st.integers(2, 5000), fraction=st.floats(0.0, 0.9))
def test_warmup_cosine_rises_then_falls(total, fraction):
    warmup = warmup_steps(total, fraction)
    curve = [factor("warmup-cosine", step, total, warmup) for step in range(total)]
    assert all(0 < value <= 1 for value in curve)
    assert all(a < b for a, b in pairwise(curve[:warmup]))
    assert all(a >= b for a, b in pairwise(curve[warmup:]))
    assert max(curve) == 1.0
    assert factor("warmup-cosine", total, total, warmup) == pytest.approx(0, abs=1e-12)


@given(total=st.integers(1, 100), fraction=st.floats(0.0, 0.99))
def test_warmup_leaves_a_step_for_the_descent(total, fraction):
    assert 0 <= warmup_steps(total, fraction) < total


def test_clay_v0_is_the_scheduler_of_the_reference_card():
    parameter = torch.nn.Parameter(torch.zeros(1))
    rate = 1e-4
    optimizer = torch.optim.AdamW([parameter], lr=rate)
    reference = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=1000, T_mult=2, eta_min=rate * 10)
    for step in range(7500):
        assert rate * factor("clay-v0", step, 7500, 0) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        reference.step()
