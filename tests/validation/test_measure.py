"""Measurements over blocks of chips say what a plain computation over each chip says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from earthenware.chips import NODATA, Mask, SensorLayout
from earthenware.sensors import SENSORS
from earthenware.validation._examine import draw
from earthenware.validation._measure import measure_bands, measure_chips, vegetation_means


@st.composite
def blocks(draw_from: st.DrawFn):
    layout = SensorLayout.of(draw_from(st.sampled_from(sorted(SENSORS))))
    shape = (
        draw_from(st.integers(1, 3)),
        len(layout.bands),
        draw_from(st.integers(1, 6)),
        draw_from(st.integers(1, 6)),
    )
    values = st.one_of(
        st.just(NODATA), st.integers(-32768, 32767), st.sampled_from(sorted(SENSORS["land-cover"].legend))
    )
    pixels = draw_from(hnp.arrays(np.int16, shape, elements=values))
    mask = draw_from(hnp.arrays(np.uint8, (shape[0], *shape[2:]), elements=st.integers(0, 63)))
    return layout, pixels, mask


@settings(max_examples=150, deadline=None)
@given(blocks())
def test_bands_are_described_as_by_plain_statistics(block):
    layout, pixels, mask = block
    found = measure_bands(layout, pixels, mask)
    for chip, band in np.ndindex(pixels.shape[:2]):
        values = layout.decode(pixels[chip, band]).astype(np.float64)
        measured = values[np.isfinite(values)]
        judged = values[np.isfinite(values) & ((mask[chip] & (Mask.CLOUD | Mask.SATURATED)) == 0)]
        assert found["valid"][chip, band] == measured.size
        assert found["pixels"][chip, band] == values.size
        assert found["sum"][chip, band] == pytest.approx(measured.sum(), rel=1e-5, abs=1e-2)
        assert found["squares"][chip, band] == pytest.approx((measured**2).sum(), rel=1e-5, abs=1e-2)
        if measured.size:
            assert found["minimum"][chip, band] == pytest.approx(measured.min(), rel=1e-5, abs=1e-4)
            assert found["maximum"][chip, band] == pytest.approx(measured.max(), rel=1e-5, abs=1e-4)
        else:
            assert np.isnan(found["minimum"][chip, band])
        entry = SENSORS[layout.id]
        if entry.legend:
            outside = ~np.isin(measured, sorted(entry.legend))
        else:
            low, high = entry.bands[band].plausible or (-np.inf, np.inf)
            outside = (judged < low - 1e-3) | (judged > high + 1e-3)
        assert found["implausible"][chip, band] == np.count_nonzero(outside)


@settings(max_examples=80, deadline=None)
@given(blocks())
def test_masks_are_compared_pixel_by_pixel(block):
    layout, pixels, mask = block
    found = measure_chips(layout, pixels, mask)
    for chip in range(len(pixels)):
        unflagged = flagged = with_flag = 0
        for y, x in np.ndindex(mask.shape[1:]):
            missing = [value == NODATA for value in pixels[chip, :, y, x]]
            has_flag = bool(mask[chip, y, x] & Mask.NODATA)
            with_flag += has_flag
            flagged += has_flag and not all(missing)
            unflagged += not has_flag and any(missing)
        assert found["flagged_but_measured"][chip] == flagged
        assert found["nodata_but_unflagged"][chip] == unflagged
        assert found["nodata_fraction"][chip] == pytest.approx(with_flag / mask[chip].size)


def test_vegetation_leaves_out_what_is_not_clear_or_not_green():
    layout = SensorLayout.of("sentinel-2-l2a")
    pixels = np.full((1, 10, 1, 6), 500, dtype=np.int16)
    pixels[0, 6] = 3000
    mask = np.array([[[0, Mask.CLOUD, Mask.SNOW, 0, 0, 0]]], dtype=np.uint8)
    land_cover = np.array([[[10, 10, 10, 50, 40, 30]]], dtype=np.int16)
    pixels[0, 0, 0, 5] = 4000  # a cloud that the flags missed
    found = vegetation_means(layout, pixels, mask, land_cover)
    assert found["vegetation"].tolist() == [2]
    assert found["red"].tolist() == [1000]
    assert found["near_infrared"].tolist() == [6000]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 120), st.integers(0, 2**32 - 1))
def test_chips_are_drawn_evenly_over_the_scenes(sizes, limit, seed):
    random = np.random.default_rng(seed)
    scenes = random.permutation(np.repeat([f"scene-{number}" for number in range(len(sizes))], sizes))
    chosen = draw(scenes, limit, seed)
    total = sum(sizes)
    assert len(chosen) == (total if limit == 0 else min(limit, total))
    assert len(set(chosen.tolist())) == len(chosen)
    assert np.array_equal(chosen, draw(scenes, limit, seed))
    counts = {scene: int((scenes[chosen] == scene).sum()) for scene in set(scenes.tolist())}
    open_scenes = [count for scene, count in counts.items() if count < int((scenes == scene).sum())]
    # A scene that still has chips to give has at most one fewer than any other.
    assert not open_scenes or max(counts.values()) - min(open_scenes) <= 1
    runs = [scene for number, scene in enumerate(scenes[chosen]) if number == 0 or scene != scenes[chosen][number - 1]]
    assert len(runs) == len(set(runs)), "the chips of a scene lie together"
