from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import (
    ChipReconstructions,
    Package,
    chips_to_batch,
    embed_chips,
    hiding_noise,
    iterate_reconstructions,
    key_of,
    resolve_device,
)
from earthenware.models import PretrainingEncoder

from ._stores import make_package, make_store


def reconstruct(store: ChipStore, package: Package, *arguments: Any, **options: Any) -> ChipReconstructions:
    parts = list(iterate_reconstructions(store, package, *arguments, **options))
    names = ("indices", "target", "predicted", "masked", "visible", "error")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return ChipReconstructions(**joined, normalization=parts[0].normalization)


def test_embeddings_are_those_of_the_model(store: ChipStore, package: Package) -> None:
    result = embed_chips(store, package)
    with torch.no_grad():
        expected = package.model.embed(chips_to_batch(store, range(len(store)), package.info))
    np.testing.assert_allclose(result.embeddings, expected, atol=1e-5)
    assert result.embeddings.dtype == result.valid_fraction.dtype == result.reconstruction_loss.dtype == np.float32
    assert len(np.unique(result.embeddings.round(4), axis=0)) == len(store)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_a_chip_does_not_depend_on_the_others(store: ChipStore, package: Package, batch_size: int) -> None:
    whole = embed_chips(store, package, batch_size=12)
    order = np.random.default_rng(batch_size).permutation(len(store))[:9]
    some = embed_chips(store, package, order, batch_size=batch_size)
    np.testing.assert_allclose(some.embeddings, whole.embeddings[order], atol=1e-5)
    np.testing.assert_allclose(some.reconstruction_loss, whole.reconstruction_loss[order], atol=1e-5)
    np.testing.assert_array_equal(some.valid_fraction, whole.valid_fraction[order])


def test_the_valid_fraction_counts_values(store: ChipStore, package: Package) -> None:
    fraction = embed_chips(store, package, with_loss=False).valid_fraction
    expected = np.ones(12)
    expected[1], expected[2], expected[3], expected[11] = 11 / 13, 1 - 0.5 * 10 / 13, 0.75, 3 / 13
    np.testing.assert_allclose(fraction, expected, atol=1e-6)


def test_the_loss_can_be_left_out(store: ChipStore, package: Package) -> None:
    without, with_loss = (embed_chips(store, package, [0, 3], with_loss=flag) for flag in (False, True))
    assert np.isnan(without.reconstruction_loss).all()
    assert np.isfinite(with_loss.reconstruction_loss).all()
    np.testing.assert_array_equal(without.embeddings, with_loss.embeddings)


def test_progress_and_no_chips(store: ChipStore, package: Package) -> None:
    seen: list[tuple[int, int]] = []
    embed_chips(store, package, range(7), batch_size=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert embed_chips(store, package, []).embeddings.shape == (0, 32)
    assert list(iterate_reconstructions(store, package, [])) == []


def test_the_model_is_left_as_it_was(store: ChipStore, tmp_path: Path) -> None:
    package = make_package(tmp_path, store)
    package.model.train()
    iterator = iterate_reconstructions(store, package, batch_size=4)
    next(iterator)
    assert not torch.is_inference_mode_enabled()
    iterator.close()
    embed_chips(store, package)
    assert package.model.training
    batch = chips_to_batch(store, [0, 1], package.info)
    assert isinstance(package.model, PretrainingEncoder)
    noise = hiding_noise([(0, 0), (0, 1)], package.model.noise_shape(16))
    package.model.pretraining_loss(batch, noise).loss.backward()
    assert all(parameter.grad is not None for parameter in package.model.parameters())


def test_reconstructions_stand_beside_their_originals(store: ChipStore, package: Package) -> None:
    result = reconstruct(store, package, [3, 0, 11, 1], batch_size=3)
    assert result.indices.tolist() == [3, 0, 11, 1]
    for row, chip in enumerate(result.indices):
        values = np.concatenate([store.read(sensor, int(chip))[0] for sensor in package.info.sensors])
        known = np.isfinite(result.original[row])
        np.testing.assert_allclose(result.original[row][known], values[known], atol=0.01)
    valid = np.isfinite(result.original)
    assert not (result.masked & result.visible).any()
    assert not ((result.masked | result.visible) & ~valid).any()
    assert np.isfinite(result.reconstruction).all()
    np.testing.assert_array_equal(result.filled[result.visible], result.original[result.visible])
    np.testing.assert_array_equal(result.filled[~result.visible], result.reconstruction[~result.visible])
    assert result.masked[1].mean() == pytest.approx(0.75, abs=0.05)


def test_errors_agree_with_the_pixels(store: ChipStore, package: Package) -> None:
    result = reconstruct(store, package)
    spread = package.info.normalization.std[:, None, None]
    squared = np.where(result.masked, (result.original - result.reconstruction) / spread, 0.0) ** 2
    for chip in range(len(store)):
        expected = [
            squared[chip, bands, y : y + 4, x : x + 4].sum() / result.masked[chip, bands, y : y + 4, x : x + 4].sum()
            for bands in (list(group.bands) for group in package.info.reads.groups)
            for y in range(0, 16, 4)
            for x in range(0, 16, 4)
            if result.masked[chip, bands, y : y + 4, x : x + 4].any()
        ]
        assert len(expected) > 0
        assert result.error[chip] == pytest.approx(np.mean(expected), rel=1e-3)
    np.testing.assert_allclose(result.error, embed_chips(store, package).reconstruction_loss, rtol=1e-4)


def test_what_is_hidden_belongs_to_the_chip(store: ChipStore, package: Package) -> None:
    first, again, other = (
        reconstruct(store, package, order, seed=seed, batch_size=size).masked
        for order, seed, size in (([0, 1, 2], 0, 3), ([2, 0], 0, 1), ([0, 1, 2], 1, 2))
    )
    np.testing.assert_array_equal(first[[2, 0]], again)
    assert (first != other).any()
    assert (first[0] != first[2]).any()


def test_noise_follows_from_the_key_alone() -> None:
    keys = [key_of(f"chip-{number}") for number in range(30)]
    whole = hiding_noise(keys, (6, 4))
    assert whole.shape == (30, 6, 4)
    assert torch.equal(hiding_noise(keys[10:12], (6, 4)), whole[10:12])
    assert (hiding_noise([key_of(f"chip-{number}", seed=1) for number in range(30)], (6, 4)) != whole).all()
    assert 0 <= float(whole.min()) < 0.02
    assert 0.98 < float(whole.max()) < 1


def test_a_chip_size_that_does_not_fit_is_one_clear_error(package: Package, tmp_path: Path) -> None:
    store = make_store(tmp_path, 6, size=18)
    for attempt in (embed_chips, reconstruct):
        with pytest.raises(EarthenwareError, match="18 pixels wide") as caught:
            attempt(store, package)
        assert caught.value.code == "CHIP_SIZE"


@pytest.mark.parametrize("name", ["cuda:99", "abacus", "meta"])
def test_a_device_that_is_not_there(store: ChipStore, package: Package, name: str) -> None:
    with pytest.raises(EarthenwareError, match=f"The device '{name}'") as caught:
        embed_chips(store, package, device=name)
    assert caught.value.code == "DEVICE_UNAVAILABLE"
    assert "\n" not in str(caught.value)


def test_auto_finds_a_device() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")
