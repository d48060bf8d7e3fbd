"""Optimiser groups, checkpoints, turns, masks and the cache."""

from __future__ import annotations

import io
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.fabric.utilities.apply_func import move_data_to_device

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import fresh_model, model_input
from earthenware.models import CubeBatch, Encoder, family
from earthenware.training import TrainSpec
from earthenware.training._cache import Group, cached, cached_bytes
from earthenware.training._checkpoint import (
    SafetensorsCheckpoints,
    checkpoint_name,
    damaged_checkpoints,
    latest_checkpoint,
    pack,
    prune,
    unpack,
    whole_checkpoint,
)
from earthenware.training._data import ChipLoader, TrainingBatch, lay, orientations
from earthenware.training._optimizer import adamw, parameter_groups
from earthenware.training._sampler import ChipSampler

from ._chipstore import CUBE, build_store

# ----------------------------------------------------------------------------------------------------------- optimiser


def nano(seed: int) -> Encoder:
    reads = model_input(CUBE, 16, 10.0)
    return fresh_model("mae", family("mae").configure("nano", reads, {"patch_size": 8}), reads, seed)


def test_only_matrices_decay():
    model = nano(0)
    decay, keep = parameter_groups(model, 0.05)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = [names[id(parameter)] for parameter in keep["params"]]
    assert decay["weight_decay"] == 0.05
    assert keep["weight_decay"] == 0.0
    assert len(decay["params"]) + len(keep["params"]) == len(names)
    assert all(parameter.ndim >= 2 for parameter in decay["params"])
    assert any("mask_token" in name for name in kept)
    assert all(name in kept for name in names.values() if name.endswith("bias"))
    assert adamw(model, 1e-3, 0.05).defaults["betas"] == (0.9, 0.95)


def test_weights_follow_from_the_seed_and_leave_the_global_one_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, two, other = nano(1), nano(1), nano(2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# ---------------------------------------------------------------------------------------------------------- checkpoints

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(0, 5) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(trees)
def test_checkpoints_return_what_they_were_given(tree):
    assert unpack(pack(tree)) == tree


def test_checkpoints_keep_tensors_bit_for_bit():
    shared = torch.randn(3, 4)
    state = {"a": shared, "b": {0: shared, 1: torch.arange(3)}, "c": torch.tensor(1.5, dtype=torch.float64)}
    found = unpack(pack(state))
    assert torch.equal(found["a"], shared)
    assert torch.equal(found["b"][0], shared)
    assert found["b"][1].dtype == torch.int64
    assert found["c"].item() == 1.5


def test_objects_are_not_pickled():
    with pytest.raises(TypeError, match="cannot hold a PosixPath"):
        pack({"path": Path("x")})
    data = io.BytesIO()
    pickle.dump({"state": 1}, data)
    with pytest.raises(ValueError, match="not a checkpoint"):
        unpack(data.getvalue())


def test_the_newest_checkpoint_wins_and_old_ones_go(tmp_path):
    folder = str(tmp_path / "checkpoints")
    assert latest_checkpoint(folder) is None
    store = SafetensorsCheckpoints()
    for step in (2, 10, 9):
        store.save_checkpoint({"step": step}, f"{folder}/{checkpoint_name(step)}")
    (tmp_path / "checkpoints" / "notes.txt").write_text("not a checkpoint")
    step, uri = latest_checkpoint(folder)
    assert step == 10
    assert store.load_checkpoint(uri) == {"step": 10}
    prune(folder, 2)
    assert sorted(path.name for path in Path(folder).glob("step-*")) == [checkpoint_name(9), checkpoint_name(10)]


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / checkpoint_name(1)
    path.write_bytes(pack({"a": torch.zeros(100)})[:-40])
    with pytest.raises(EarthenwareError, match=path.name) as caught:
        SafetensorsCheckpoints().load_checkpoint(path)
    assert caught.value.code == "CHECKPOINT_UNREADABLE"


# -------------------------------------------------------------------------------------------------------- augmentation


def test_the_eight_ways_to_lay_a_square_are_all_different_and_keep_every_pixel():
    square = torch.arange(16.0).reshape(1, 1, 4, 4).expand(8, 2, 4, 4)
    laid = lay(square, np.arange(8))
    assert len({tuple(one.flatten().tolist()) for one in laid}) == 8
    assert all(sorted(one[1].flatten().tolist()) == list(range(16)) for one in laid)


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 100))
@settings(max_examples=20)
def test_turns_belong_to_the_chip_and_epoch_not_to_the_batch(seed, epoch):
    chips = np.arange(40)
    whole = orientations(chips, seed, epoch)
    assert set(whole) <= set(range(8))
    assert (orientations(chips[7:9], seed, epoch) == whole[7:9]).all()
    pixels = torch.randn(40, 3, 8, 8)
    valid = pixels > 0
    # The same turn for pixels and their validity.
    assert torch.equal(lay(pixels, whole) > 0, lay(valid, whole))


def test_what_is_hidden_belongs_to_the_chip_and_epoch_and_stays_in_validation():
    def noise(epoch: int, *, batch_size: int, training: bool = True) -> torch.Tensor:
        sampler = ChipSampler(30, batch_size, seed=5, shuffle=False)
        sampler.set_epoch(epoch)
        loader = ChipLoader(sampler, np.arange(30), blank, noise=(6, 4), training=training)
        return torch.cat([batch.noise for batch in loader])

    whole = noise(2, batch_size=30)
    assert torch.equal(noise(2, batch_size=7), whole)
    assert (noise(3, batch_size=30) != whole).float().mean() > 0.99
    still = noise(2, batch_size=30, training=False)
    assert (still != whole).float().mean() > 0.99
    assert torch.equal(noise(3, batch_size=30, training=False), still)


def test_a_batch_moves_to_the_device_whole():
    batch = TrainingBatch(blank(np.arange(2)), torch.zeros(2, 3), 5)
    moved = move_data_to_device(batch, torch.device("meta"))
    assert {moved.noise.device.type, moved.cube.pixels.device.type, moved.cube.timestamp.device.type} == {"meta"}
    assert moved.chips == 5


def blank(chips: np.ndarray) -> CubeBatch:
    unknown = torch.zeros(len(chips), 1, 8, 8)
    return CubeBatch(unknown, unknown > 0, unknown[:, 0, 0, :2], unknown[:, 0, 0, 0].double(), unknown[:, 0, 0, 0])


# --------------------------------------------------------------------------------------------------------------- cache


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    report = build_store(tmp_path_factory.mktemp("cache") / "chips", count=40, size=16)
    return ChipStore.open(report.output)


def test_workers_fill_one_cache_that_reads_like_the_store(store, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    chips = np.array([1, 3, 4, 17, 30])
    barrier = threading.Barrier(3)
    found: dict[int, ChipStore | None] = {}

    def work(rank):
        group = Group(rank, 3, "test", barrier.wait, lambda condition: condition)
        found[rank] = cached(ChipStore.open(store.uri), CUBE, chips, group)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(3)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert list(tmp_path.iterdir()) == []  # nothing stays behind, even if the workers are killed from here on
    for cache in found.values():
        for chip in range(40):  # those in the cache and the others
            for sensor in CUBE:
                for ours, theirs in zip(cache.read(sensor, chip), store.read(sensor, chip), strict=True):
                    np.testing.assert_array_equal(ours, theirs)


def test_a_full_disk_leaves_no_cache_and_no_file(store, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.posix_fallocate", full)
    group = Group(0, 1, "full", lambda: None, lambda condition: condition)
    assert cached(store, CUBE, np.arange(5), group) is None
    assert list(tmp_path.iterdir()) == []


def test_the_size_of_a_cache_counts_pixels_and_flags(store):
    assert cached_bytes(store, CUBE, 10) == 10 * 16 * 16 * (2 * 13 + 3)


# -------------------------------------------------------------------------------------------------------------- device


@pytest.mark.parametrize(
    ("device", "workers", "gpus", "accelerator"),
    [
        ("auto", 2, 2, "gpu"), ("auto", 2, 1, "cpu"), ("cpu", 2, 8, "cpu"), ("cuda", 1, 1, "gpu"), ("mps", 1, 0, "mps")
    ],
)  # fmt: skip
def test_workers_share_the_devices_that_there_are(device, workers, gpus, accelerator):
    assert TrainSpec(device=device, workers=workers).accelerator(gpus) == accelerator


def test_devices_that_are_not_there_are_one_clear_error():
    with pytest.raises(EarthenwareError, match="device is 'cuda'") as caught:
        TrainSpec(device="cuda", workers=2).accelerator(1)
    assert caught.value.code == "NO_GPU"


@settings(max_examples=100)
@given(st.data())
def test_any_flipped_bit_of_a_checkpoint_is_noticed(data):
    """In a weight, in the header, in the state: it is refused, or says what it said before."""
    state = {"w": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3), "n": torch.tensor(True), "epoch": 3, "lr": 0.25}
    content = bytearray(pack(state))
    bit = data.draw(st.integers(0, 8 * len(content) - 1), "bit")
    content[bit // 8] ^= 1 << bit % 8
    try:
        found = unpack(bytes(content))
    except ValueError:
        return
    assert repr(found) == repr(state)


def test_damaged_checkpoints_are_set_aside(tmp_path):
    folder = str(tmp_path / "checkpoints")
    store = SafetensorsCheckpoints()
    for step in (2, 4, 6):
        store.save_checkpoint({"step": step, "w": torch.ones(9)}, f"{folder}/{checkpoint_name(step)}")
    for step in (4, 6):
        path = Path(folder, checkpoint_name(step))
        content = bytearray(path.read_bytes())
        content[-3] ^= 16
        path.write_bytes(content)
    for step, sentence in zip((4, 6), damaged_checkpoints(folder), strict=True):
        assert checkpoint_name(step) in sentence
    told = []
    assert whole_checkpoint(folder, lambda code, message: told.append((code, message))) == latest_checkpoint(folder)
    assert latest_checkpoint(folder)[0] == 2
    assert [code for code, _ in told] == ["CHECKPOINT_UNREADABLE"] * 2
    for step, (_, message) in zip((6, 4), told, strict=True):
        assert message.startswith(f"The checkpoint '{folder}/{checkpoint_name(step)}' cannot be read: its digest")
        assert Path(folder, f"{checkpoint_name(step)}.damaged").exists()
    assert list(damaged_checkpoints(folder)) == []
    Path(folder, checkpoint_name(2)).write_bytes(b"")
    assert whole_checkpoint(folder, lambda *_: None) is None
