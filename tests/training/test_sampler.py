from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from earthenware.errors import EarthenwareError
from earthenware.training._sampler import ChipSampler


@st.composite
def layouts(draw):
    world = draw(st.integers(1, 5))
    count = draw(st.integers(world, 300))
    batch = draw(st.integers(1, 64))
    assume(count // -(-count // batch) >= world)
    return count, batch, world, draw(st.integers(0, 2**31)), draw(st.integers(0, 50))


def samplers(count, batch, world, seed, epoch):
    found = [ChipSampler(count, batch, seed=seed, rank=rank, world_size=world) for rank in range(world)]
    for sampler in found:
        sampler.set_epoch(epoch)
    return found


@given(layouts())
def test_each_chip_comes_exactly_once_per_epoch_over_all_workers(layout):
    count, batch, world, seed, _ = layout
    ranks = [list(sampler) for sampler in samplers(*layout)]
    assert sorted(np.concatenate([chips for rank in ranks for chips in rank])) == list(range(count))
    steps = -(-count // batch)
    assert [len(rank) for rank in ranks] == [steps] * world
    for step in range(steps):
        sizes = [len(rank[step]) for rank in ranks]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) <= batch
        assert sum(sizes) == ChipSampler(count, batch, seed=seed).global_size(step)


@given(layouts())
def test_global_batches_do_not_depend_on_the_number_of_workers(layout):
    count, batch, _, seed, epoch = layout
    alone = list(samplers(count, batch, 1, seed, epoch)[0])
    ranks = [list(sampler) for sampler in samplers(*layout)]
    for step, chips in enumerate(alone):
        assert set(np.concatenate([rank[step] for rank in ranks])) == set(chips)


@given(layouts(), st.data())
def test_a_resumed_sampler_yields_exactly_the_rest(layout, data):
    count, batch, world, seed, epoch = layout
    rank = data.draw(st.integers(0, world - 1))
    whole = list(samplers(*layout)[rank])
    stop = data.draw(st.integers(0, len(whole)))
    first = samplers(*layout)[rank]
    walk = iter(first)
    for _ in range(stop):
        next(walk)
    fresh = ChipSampler(count, batch, seed=seed, rank=rank, world_size=world)
    fresh.load_state_dict(first.state_dict())
    fresh.set_epoch(epoch + (stop == len(whole)))
    rest = list(fresh)
    expected = whole[stop:] or list(samplers(count, batch, world, seed, epoch + 1)[rank])
    assert len(rest) == len(expected)
    assert all((a == b).all() for a, b in zip(rest, expected, strict=True))


@given(layouts())
def test_epochs_and_seeds_differ(layout):
    count, batch, _, seed, epoch = layout
    assume(count >= 20)
    orders = {
        tuple(np.concatenate(list(samplers(count, batch, 1, s, e)[0])))
        for s in (seed, seed + 1)
        for e in (epoch, epoch + 1)
    }
    assert len(orders) == 4


def test_validation_comes_in_order():
    sampler = ChipSampler(10, 4, seed=3, shuffle=False)
    assert np.concatenate(list(sampler)).tolist() == list(range(10))


def test_a_worker_without_a_chip_is_refused():
    with pytest.raises(EarthenwareError, match="cannot feed 4 workers") as caught:
        ChipSampler(10, 3, seed=0, rank=0, world_size=4)
    assert caught.value.code == "TOO_FEW_CHIPS"


@pytest.mark.parametrize("change", [{"seed": 2}, {"count": 21}, {"batch_size": 5}])
def test_a_state_of_another_run_is_refused(change):
    values = {"count": 20, "batch_size": 4, "seed": 1}
    state = ChipSampler(**values).state_dict()
    with pytest.raises(EarthenwareError) as caught:
        ChipSampler(**{**values, **change}).load_state_dict(state)
    assert caught.value.code == "CHECKPOINT_MISMATCH"
