from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.models import CubeBatch, patchify
from earthenware.models.mae import FAMILY, MAEOutput, MaskedAutoencoder

from .._inputs import cube, grouped
from ._batches import make_batch, select, small_model

GROUPS = [group.name for group in cube().groups]


@pytest.fixture(scope="module")
def model() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return small_model().eval()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(model: MaskedAutoencoder, batch: CubeBatch, generator: torch.Generator) -> MAEOutput:
    noise = torch.rand(len(batch), *model.noise_shape(batch.pixels.shape[-1]), generator=generator)
    return model(batch, model.mask(batch, noise))


def random_mask(count: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 6, 16, generator=seeded(seed)) < 0.75


def test_shapes_and_counts(model: MaskedAutoencoder) -> None:
    output = run(model, make_batch(3), seeded())
    assert output.reconstruction.shape == (3, 13, 16, 16)
    assert output.masked.shape == output.visible.shape == output.patch_error.shape == (3, 6, 16)
    assert output.masked.sum((1, 2)).tolist() == [72] * 3
    assert torch.equal(output.masked, ~output.visible)
    assert model.embed(make_batch(3)).shape == (3, 32)
    tokens = model.encode(make_batch(3))
    assert tokens.tokens.shape == (3, 96, 32)
    assert tokens.valid.shape == (3, 96)


def test_one_seed_gives_one_result(model: MaskedAutoencoder) -> None:
    first, again, other = (run(model, make_batch(), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.loss, again.loss)
    assert torch.equal(first.masked, again.masked)
    assert torch.equal(first.reconstruction, again.reconstruction)
    assert not torch.equal(first.masked, other.masked)
    assert not torch.equal(run(model, make_batch(), (g := seeded(1))).masked, run(model, make_batch(), g).masked)


def test_one_seed_gives_one_initialisation() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(small_model().parameters())

    assert all(torch.equal(a, b) for a, b in zip(weights(5), weights(5), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(5), weights(6), strict=True))


def test_an_untrained_model_starts_at_the_mean() -> None:
    torch.manual_seed(0)
    batch = make_batch(16)
    batch = replace(batch, pixels=batch.pixels / batch.pixels.std())
    loss = run(small_model(), batch, seeded()).loss
    assert loss.item() == pytest.approx(1.0, abs=0.15)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), missing=st.sampled_from([0.05, 0.4, 0.6]))
def test_what_is_invalid_changes_nothing(seed: int, missing: float) -> None:
    torch.manual_seed(0)
    model = small_model(normalize_targets=bool(seed % 2)).eval()
    batch = make_batch(2, seed=seed, missing=missing)
    noise = 1e3 * torch.randn(batch.pixels.shape, generator=seeded(seed))
    noise[0, 0, 0, 0] = float("nan")
    noise[0, 1, 0, 0] = float("inf")
    disturbed = replace(batch, pixels=torch.where(batch.valid, batch.pixels, noise))
    with torch.no_grad():
        first, second = (run(model, b, seeded(seed)) for b in (batch, disturbed))
        assert torch.equal(first.loss, second.loss)
        assert torch.equal(first.patch_error, second.patch_error)
        assert torch.equal(first.reconstruction, second.reconstruction)
        assert torch.equal(model.encode(batch).tokens, model.encode(disturbed).tokens)
        assert torch.equal(model.embed(batch), model.embed(disturbed))


def test_no_gradient_comes_from_invalid_pixels(model: MaskedAutoencoder) -> None:
    batch = make_batch(2, missing=0.3)
    pixels = batch.pixels.clone().requires_grad_()
    run(model, replace(batch, pixels=pixels), seeded()).loss.backward()
    assert pixels.grad is not None
    assert pixels.grad[~batch.valid].abs().max() == 0
    assert pixels.grad[batch.valid].abs().max() > 0


def test_a_chip_with_one_bad_pixel_is_used(model: MaskedAutoencoder) -> None:
    whole, one = make_batch(1), make_batch(1)
    one.valid[0, :, 5, 5] = False
    outputs = [run(model, batch, seeded()) for batch in (whole, one)]
    assert torch.equal(outputs[0].masked, outputs[1].masked)
    mask = torch.ones(1, 6, 16, dtype=torch.bool)
    mask[0, 0] = False
    output = model(one, mask)
    # By hand: the mean over valid pixels of each hidden group-patch, then over group-patches.
    error = patchify((output.reconstruction - one.pixels).square() * one.valid, 4)
    seen = patchify(one.valid, 4)
    by_hand = torch.stack(
        [error[:, :, list(g.bands)].sum((2, 3)) / seen[:, :, list(g.bands)].sum((2, 3)) for g in cube().groups], 1
    )
    torch.testing.assert_close(output.loss, by_hand[mask].mean())


def test_every_hidden_group_patch_weighs_the_same(model: MaskedAutoencoder) -> None:
    batch = make_batch(2)
    batch.valid[1, 10:13] = False  # radar and elevation are absent from one sample
    output = run(model, batch, seeded())
    torch.testing.assert_close(output.loss, output.patch_error[output.masked].mean())
    torch.testing.assert_close(output.loss_per_sample[0], output.patch_error[0][output.masked[0]].mean())


def test_a_sample_does_not_see_its_batch(model: MaskedAutoencoder) -> None:
    batch = make_batch(5, missing=0.35)
    batch.valid[2, 10:] = False
    batch.valid[3, :, :, 8:] = False
    mask = random_mask(5)
    with torch.no_grad():
        tokens, output = model.encode(batch), model(batch, mask)
        order = torch.tensor([3, 0, 4, 2, 1])
        shuffled = select(batch, order)
        torch.testing.assert_close(model.embed(shuffled), model.embed(batch)[order], atol=1e-5, rtol=1e-5)
        again = model(shuffled, mask[order])
        torch.testing.assert_close(again.reconstruction, output.reconstruction[order], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(again.loss, output.loss)
        for i in range(5):
            alone = select(batch, torch.tensor([i]))
            torch.testing.assert_close(model.encode(alone).tokens[0], tokens.tokens[i], atol=1e-5, rtol=1e-5)
            single = model(alone, mask[i : i + 1])
            torch.testing.assert_close(single.patch_error[0], output.patch_error[i], atol=1e-5, rtol=1e-5)


def test_an_absent_sensor_is_as_if_the_model_had_none(model: MaskedAutoencoder) -> None:
    batch = make_batch(2)
    batch.valid[:, 10:12] = False
    output = run(model, batch, seeded())
    assert not output.masked[:, 4].any()
    assert not output.visible[:, 4].any()
    assert output.masked.sum((1, 2)).tolist() == [80 - 20] * 2
    assert output.loss.isfinite()
    tokens = model.encode(batch)
    assert not tokens.valid.view(2, 6, 16)[:, 4].any()
    torch.testing.assert_close(model.encode(batch).mean(), tokens.tokens[tokens.valid].view(2, 80, -1).mean(1))


@pytest.mark.parametrize("alone", [True, False])
def test_a_sample_without_anything_is_finite(alone: bool) -> None:
    torch.manual_seed(0)
    model = small_model()
    batch = make_batch(1 if alone else 3)
    batch.valid[0] = False
    batch.lonlat[0], batch.timestamp[0] = float("nan"), float("nan")
    output = run(model, batch, seeded())
    output.loss.backward()
    assert output.loss.isfinite()
    assert output.reconstruction.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert torch.equal(model.embed(batch)[0], torch.zeros(32))
    assert output.loss_per_sample[0].isnan()


def test_unknown_place_and_time_are_left_out(model: MaskedAutoencoder) -> None:
    known, unknown = make_batch(2), make_batch(2)
    unknown.lonlat[0, 1], unknown.timestamp[0] = float("nan"), float("nan")
    a, b = model.encode(known).mean(), model.encode(unknown).mean()
    assert b.isfinite().all()
    assert not torch.allclose(a[0], b[0])
    torch.testing.assert_close(a[1], b[1])
    elsewhere = replace(unknown, lonlat=torch.tensor([[77.0, float("nan")], known.lonlat[1].tolist()]))
    torch.testing.assert_close(model.encode(elsewhere).mean(), b)
    torch.testing.assert_close(model.encode(known.without_metadata()).mean(), model.embed(known))


def test_place_time_and_resolution_matter(model: MaskedAutoencoder) -> None:
    batch = make_batch(2)
    told = model.encode(batch).mean()
    for change in (
        {"lonlat": batch.lonlat + 20},
        {"timestamp": batch.timestamp + 90 * 86_400},
        {"gsd": batch.gsd * 2},
    ):
        assert not torch.allclose(model.encode(replace(batch, **change)).mean(), told)


def test_an_embedding_says_what_a_chip_looks_like_not_where_it_lies(model: MaskedAutoencoder) -> None:
    batch = make_batch(2)
    elsewhere = replace(batch, lonlat=batch.lonlat + 20, timestamp=batch.timestamp + 90 * 86_400)
    assert torch.equal(model.embed(elsewhere), model.embed(batch))


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_learned_by_its_own_head_alone(name: str) -> None:
    torch.manual_seed(0)
    model = small_model()
    which = GROUPS.index(name)
    mask = torch.zeros(3, 6, 16, dtype=torch.bool)
    mask[:, which, ::2] = True
    model(make_batch(3), mask).loss.backward()
    gradients = [model.decoder.get_parameter(f"heads.{i}.weight").grad for i in range(6)]
    assert [group for group, grad in zip(GROUPS, gradients, strict=True) if grad is not None and grad.any()] == [name]


@pytest.mark.parametrize("band", range(13))
def test_each_head_output_is_compared_with_its_own_band(band: int) -> None:
    """Swap of B08 and B8A between heads, as in Clay v0, would show here."""
    torch.manual_seed(0)
    model = small_model()
    batch = make_batch(2)
    target = replace(batch, pixels=torch.zeros_like(batch.pixels))
    target.pixels[:, band] = 5.0
    for i in range(6):
        torch.nn.init.zeros_(model.decoder.get_parameter(f"heads.{i}.weight"))
    group = next(i for i, g in enumerate(model.reads.groups) if band in g.bands)
    slot = model.reads.groups[group].bands.index(band)
    with torch.no_grad():
        model.decoder.get_parameter(f"heads.{group}.bias").view(-1, 16)[slot] = 5.0
        output = model(target, torch.ones(2, 6, 16, dtype=torch.bool))
    torch.testing.assert_close(output.reconstruction, target.pixels)
    assert float(output.loss) == 0.0


@pytest.mark.parametrize("band", range(13))
def test_a_band_is_seen_by_its_own_group_alone(model: MaskedAutoencoder, band: int) -> None:
    pixels = make_batch(1).pixels
    other = pixels.clone()
    other[:, band] += 1.0
    moved = (model.patches(pixels) - model.patches(other)).abs().amax((0, 2, 3)) > 1e-6
    assert [GROUPS[i] for i in moved.nonzero().flatten()] == [g.name for g in model.reads.groups if band in g.bands]


def test_hidden_pixels_do_not_reach_the_reconstruction(model: MaskedAutoencoder) -> None:
    batch, mask = make_batch(2), random_mask(2)
    output = model(batch, mask)
    hidden = torch.zeros_like(batch.valid)
    for i, group in enumerate(model.reads.groups):
        cells = mask[:, i].view(2, 4, 4).repeat_interleave(4, 1).repeat_interleave(4, 2)
        hidden[:, list(group.bands)] = cells[:, None]
    other = replace(batch, pixels=torch.where(hidden, batch.pixels + 3.0, batch.pixels))
    torch.testing.assert_close(model(other, mask).reconstruction, output.reconstruction)


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    model = small_model()
    run(model, make_batch(4), seeded()).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []


def test_an_untrained_model_tells_bright_from_dark(model: MaskedAutoencoder) -> None:
    """A LayerNorm behind a patch embedding without bias makes one token of all flat patches of one sign."""
    dark, bright = (model.patches(torch.full((1, 13, 4, 4), level))[0, :, 0] for level in (0.5, 2.0))
    similarity = torch.nn.functional.cosine_similarity(dark, bright, dim=-1)
    assert similarity.max() < 0.97


def test_encodings_weigh_as_much_as_tokens(model: MaskedAutoencoder) -> None:
    batch = make_batch(2)
    tokens = model.patches(batch.pixels).square().mean()
    encodings = model.encoding(4, 4, batch.gsd)[:, :5].square().mean()  # elevation has no wavelength
    assert encodings.item() == pytest.approx(1.0, abs=0.05)
    assert tokens.item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("normalize", [False, True])
def test_eight_samples_are_learned_by_heart(normalize: bool) -> None:
    torch.manual_seed(0)
    model = small_model(normalize_targets=normalize)
    batch, mask = make_batch(8), random_mask(8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(200):
        loss = model(batch, mask).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_normalised_targets_ignore_level_and_contrast() -> None:
    torch.manual_seed(0)
    model = small_model(normalize_targets=True).eval()
    mask = torch.zeros(2, 6, 16, dtype=torch.bool)
    mask[:, 5] = True
    batch = make_batch(2)
    brighter = replace(batch, pixels=batch.pixels.clone())
    brighter.pixels[:, 12] = brighter.pixels[:, 12] * 7 + 20  # elevation is hidden, so only the target changes
    a, b = model(batch, mask), model(brighter, mask)
    torch.testing.assert_close(a.loss, b.loss, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(a.reconstruction[:, 12] * 7 + 20, b.reconstruction[:, 12], atol=2e-2, rtol=1e-2)


def test_bfloat16_autocast() -> None:
    torch.manual_seed(0)
    model = small_model()
    batch = make_batch(4, missing=0.2)
    plain = run(model, batch, seeded())
    with torch.autocast("cpu", torch.bfloat16):
        output = run(model, batch, seeded())
        embedding = model.embed(batch)
    output.loss.backward()
    assert output.loss.dtype == output.reconstruction.dtype == embedding.dtype == torch.float32
    torch.testing.assert_close(output.loss, plain.loss, atol=0.02, rtol=0.02)
    torch.testing.assert_close(embedding, model.embed(batch), atol=0.1, rtol=0.1)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_other_chip_sizes_are_taken(model: MaskedAutoencoder) -> None:
    assert run(model, make_batch(1, size=32), seeded()).reconstruction.shape == (1, 13, 32, 32)
    assert model.embed(make_batch(1, size=8)).shape == (1, 32)


def test_any_groups_will_do() -> None:
    torch.manual_seed(0)
    model = small_model(grouped({"b": ("2",), "a": ("3", "1")}, bands=("1", "2", "3")))
    output = run(model, make_batch(2, bands=3), seeded())
    assert [(group.name, group.bands) for group in model.reads.groups] == [("b", (1,)), ("a", (2, 0))]
    assert output.masked.shape == (2, 2, 16)
    assert output.reconstruction.shape == (2, 3, 16, 16)


def test_what_does_not_fit_is_one_clear_sentence(model: MaskedAutoencoder) -> None:
    with pytest.raises(ValueError, match="reads 13 bands, the batch has 3"):
        model.embed(make_batch(1, bands=3))
    with pytest.raises(ValueError, match="do not fill chips of 18 x 18"):
        model.embed(make_batch(1, size=18))
    with pytest.raises(ValueError, match="mask must be bool of the shape"):
        model(make_batch(1), torch.ones(1, 6, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="patch_size is 5 pixels, which does not divide the chips' 16"):
        small_model(patch_size=5)


def test_a_batch_checks_its_shapes() -> None:
    batch = make_batch(2)
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    for name, wrong in (
        ("pixels", batch.pixels[0]),
        ("valid", batch.valid.float()),
        ("valid", batch.valid[:, :3]),
        ("lonlat", batch.lonlat[0]),
        ("timestamp", batch.timestamp[:1]),
        ("gsd", batch.gsd[0]),
    ):
        with pytest.raises(ValueError, match=name):
            CubeBatch(**{**values, name: wrong})
    assert batch.to("cpu").pixels is batch.pixels


def test_the_same_seeds_give_the_same_numbers_as_ever() -> None:
    """Recorded before bands were grouped by name: what was pretrained can be pretrained again."""
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(6, 13, 64, 64, generator=generator) > 0.2
    valid[1, 10:12] = False
    batch = CubeBatch(
        pixels=torch.randn(6, 13, 64, 64, generator=generator) * valid,
        valid=valid,
        lonlat=torch.rand(6, 2, generator=generator) * 50,
        timestamp=1.6e9 + 1e7 * torch.rand(6, generator=generator, dtype=torch.float64),
        gsd=torch.full((6,), 10.0),
    )
    noise = torch.rand(6, 6, 16, generator=generator)
    torch.manual_seed(0)
    reads = cube(64)
    model = FAMILY.build(FAMILY.configure("nano", reads, {"patch_size": 16}), reads)
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_216_256
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss = model.pretraining_loss(batch, noise).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[0] == pytest.approx(1.0309937, rel=1e-6)
    assert losses[1:] == pytest.approx([1.0153321, 1.0041343], rel=1e-4)  # another processor rounds otherwise
    assert float(model.embed(batch).detach().double().norm()) == pytest.approx(23.83231, rel=1e-4)
