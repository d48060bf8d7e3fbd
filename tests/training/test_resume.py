"""Exact resume, in this process: no Ray, the same loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.models import family
from earthenware.training import TrainSpec, train
from earthenware.training._checkpoint import SafetensorsCheckpoints, checkpoint_name, latest_checkpoint
from earthenware.training._fit import Place, fit
from earthenware.training._job import Job

from ._chipstore import build_store

SPEC = TrainSpec(epochs=3, batch_size=16, workers=1, checkpoint_every_steps=2, cache_mb=1)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> str:
    return build_store(tmp_path_factory.mktemp("resume") / "chips", count=96, size=16).output


def run(chips: str, checkpoints: str, spec: TrainSpec = SPEC, kill_at: int | None = None) -> list[dict]:
    """Fit; with ``kill_at``, end before the checkpoint of that step is written."""
    notes: list[dict] = []
    job = Job(spec, chips, checkpoints, "test", family("mae"))
    save = SafetensorsCheckpoints.save_checkpoint

    def save_or_die(self, checkpoint, path, storage_options=None):
        if kill_at is not None and checkpoint["global_step"] >= kill_at:
            raise Killed
        save(self, checkpoint, path, storage_options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SafetensorsCheckpoints, "save_checkpoint", save_or_die)
        if kill_at is None:
            fit(job, Place(), notes.append)
        else:
            with pytest.raises(Killed):
                fit(job, Place(), notes.append)
    return notes


def weights(checkpoints: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    step, uri = latest_checkpoint(checkpoints)
    state = SafetensorsCheckpoints().load_checkpoint(uri)
    assert state["global_step"] == step
    assert state["earthenware"]["attempt"] == "test"
    return state["state_dict"], state["earthenware"]["history"]


@pytest.fixture(scope="module")
def undisturbed(chips, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("undisturbed"))
    notes = run(chips, folder)
    return *weights(folder), notes


def losses(history: list[dict]) -> list[tuple]:
    return [(row["epoch"], row["train_loss"], row["validation_loss"], row["learning_rate"]) for row in history]


@pytest.mark.parametrize("kill_at", [1, 4, 5, 8, 10, 15], ids=lambda step: f"killed-before-checkpoint-{step}")
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(chips, tmp_path, undisturbed, kill_at):
    expected, history, _ = undisturbed
    folder = str(tmp_path / "checkpoints")
    run(chips, folder, kill_at=kill_at)
    left = latest_checkpoint(folder)
    assert (left is None) == (kill_at == 1)
    assert left is None or left[0] < kill_at
    notes = run(chips, folder)
    found, found_history = weights(folder)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert losses(found_history) == losses(history)
    resumed = [note["message"] for note in notes if note["kind"] == "log"]
    assert resumed == ([f"resuming after step {left[0]} of 15"] if left else [])


def test_a_training_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(chips, tmp_path, undisturbed):
    """The step says so, keeps the damaged one aside, and ends with the weights of an undisturbed run."""
    resumed: list[str] = []
    output, spec = str(tmp_path / "train"), SPEC.model_copy(update={"tracking_uri": "off"})

    def die(spec, store, checkpoints, attempt, on_epoch):
        run(store, checkpoints, spec, kill_at=8)
        raise Killed

    def launch(spec, store, checkpoints, attempt, on_epoch):
        resumed.extend(note["message"] for note in run(store, checkpoints, spec) if note["kind"] == "log")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARTHENWARE_EVENTS", str(tmp_path / "events"))
        patch.setattr("earthenware.training._launch.launch", die)
        with pytest.raises(Killed):
            train(spec, chips, output)
        _, newest = latest_checkpoint(f"{output}/checkpoints")
        content = bytearray(Path(newest).read_bytes())
        content[-100] ^= 2
        Path(newest).write_bytes(content)
        patch.setattr("earthenware.training._launch.launch", launch)
        train(spec, chips, output)
    assert f"{newest}.damaged" in "".join(path.read_text() for path in (tmp_path / "events").iterdir())
    assert resumed == ["resuming after step 5 of 15"]
    found, _ = weights(f"{output}/checkpoints")
    assert all(torch.equal(found[name], undisturbed[0][name]) for name in undisturbed[0])


def test_what_is_told_while_training(undisturbed):
    _, history, notes = undisturbed
    epochs = [note for note in notes if note["kind"] == "epoch"]
    assert [note["row"] for note in epochs] == history
    assert [note["done"] for note in epochs] == [72, 144, 216]
    progress = [note for note in notes if note["kind"] == "progress"]
    assert progress
    assert all(0 < note["done"] <= note["total"] == 216 for note in progress)
    assert [row["epoch"] for row in history] == [1, 2, 3]


def test_old_checkpoints_are_removed(chips, tmp_path):
    folder = str(tmp_path / "checkpoints")
    run(chips, folder)
    assert [path.name for path in sorted(Path(folder).iterdir())] == [checkpoint_name(14), checkpoint_name(15)]


def test_the_cache_and_the_store_give_the_same_weights(chips, tmp_path, undisturbed):
    folder = str(tmp_path / "checkpoints")
    run(chips, folder, SPEC.model_copy(update={"cache_mb": 0}))
    found, _ = weights(folder)
    assert all(torch.equal(found[name], undisturbed[0][name]) for name in found)


def test_a_checkpoint_of_another_seed_is_refused(chips, tmp_path):
    folder = str(tmp_path / "checkpoints")
    run(chips, folder, kill_at=8)
    with pytest.raises(EarthenwareError) as caught:
        run(chips, folder, SPEC.model_copy(update={"seed": 1}))
    assert caught.value.code == "CHECKPOINT_MISMATCH"


def test_a_loss_that_is_no_number_ends_training(chips, tmp_path):
    wild = SPEC.model_copy(update={"learning_rate": 1e30, "clip": 0.0})
    with pytest.raises(EarthenwareError, match="step") as caught:
        run(chips, str(tmp_path / "checkpoints"), wild)
    assert caught.value.code == "LOSS_NOT_FINITE"
    assert "learning_rate" in caught.value.remedy


def test_checkpoints_on_s3(chips, tmp_path, bucket, undisturbed):
    prefix = f"{bucket}/run/checkpoints"
    run(chips, prefix, kill_at=8)
    run(chips, prefix)
    found, _ = weights(prefix)
    assert all(torch.equal(found[name], undisturbed[0][name]) for name in found)
    assert sorted(storage.list_files(prefix)) == [checkpoint_name(14), checkpoint_name(15)]


def test_bfloat16_trains(chips, tmp_path):
    spec = TrainSpec(epochs=1, batch_size=32, workers=1, precision="bfloat16")
    notes = run(chips, str(tmp_path / "checkpoints"), spec)
    (row,) = [note["row"] for note in notes if note["kind"] == "epoch"]
    assert 0.5 < row["train_loss"] < 2
