"""Land cover shows in texture and pattern, and not in mean colour alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from rasterio.warp import Resampling
from scipy import ndimage

from tests.sandbox.conftest import Made

TREE, SHRUB, GRASS, CROP, BUILT = 10, 20, 30, 40, 50
BLOCK = 16  # pixels of 10 m


@dataclass(frozen=True)
class Blocks:
    """Squares of nearly one class each: class, place, mean colours [block, band], textures [block, measure]."""

    classes: np.ndarray
    places: np.ndarray
    colours: np.ndarray
    textures: np.ndarray


@pytest.fixture(scope="module")
def blocks(varied: Made) -> Blocks:
    rows = []
    for scene in varied.of("sentinel-2-l2a"):
        place = scene["id"][-3:]
        classes = varied.onto(varied.of("esa-worldcover", place), "map", varied.path(scene, "B04"), Resampling.nearest)
        fine = [np.nan_to_num(varied.reflectance(scene, band)) for band in ("B02", "B03", "B04", "B08")]
        coarse = [np.nan_to_num(varied.reflectance(scene, band)) for band in ("B05", "B11", "B12")]
        bands = fine + [np.kron(band, np.ones((2, 2))) for band in coarse]
        clear = np.isin(np.kron(varied.read(scene, "SCL"), np.ones((2, 2))), (4, 5, 6))
        detail = [band - ndimage.gaussian_filter(band, 2) for band in fine[2:]]
        for row in range(0, varied.spec.size, BLOCK):
            for column in range(0, varied.spec.size, BLOCK):
                window = (slice(row, row + BLOCK), slice(column, column + BLOCK))
                codes, counts = np.unique(classes[window], return_counts=True)
                code = int(codes[counts.argmax()])
                pure = counts.max() >= 0.85 * BLOCK**2 and clear[window].mean() >= 0.95
                if pure and code in (TREE, SHRUB, GRASS, CROP, BUILT):
                    colours = [band[window].mean() for band in bands]
                    rows.append((code, place, colours, texture(fine, detail, window)))
    return Blocks(*(np.array(column) for column in zip(*rows, strict=True)))


def texture(fine: list[np.ndarray], detail: list[np.ndarray], window: tuple[slice, slice]) -> list[float]:
    """Measures that a change of brightness leaves alone: roughness, skewness, and how far one direction prevails."""
    roughness = [
        float(np.log(d[window].std() / band[window].mean() + 1e-4)) for band, d in zip(fine[2:], detail, strict=True)
    ]
    near = detail[1][window]
    skewness = float(((near - near.mean()) ** 3).mean() / (near.std() ** 3 + 1e-9))
    gy, gx = np.gradient(fine[3][window])
    coherence = float(np.hypot((gx**2 - gy**2).mean(), 2 * (gx * gy).mean()) / ((gx**2 + gy**2).mean() + 1e-12))
    return [*roughness, skewness, coherence]


def held_out_accuracy(blocks: Blocks, features: np.ndarray) -> float:
    """Mean over classes of the accuracy of 15 nearest neighbours, each place predicted from all others."""
    found = np.zeros_like(blocks.classes)
    for place in np.unique(blocks.places):
        held = blocks.places == place
        mean, deviation = features[~held].mean(axis=0), features[~held].std(axis=0)
        known, asked = (features[~held] - mean) / deviation, (features[held] - mean) / deviation
        distance = ((asked[:, None] - known[None]) ** 2).sum(axis=-1)
        votes = blocks.classes[~held][np.argsort(distance, axis=1)[:, :15]]
        found[held] = [np.bincount(vote).argmax() for vote in votes]
    return float(np.mean([(found == code)[blocks.classes == code].mean() for code in np.unique(blocks.classes)]))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Common area of two histograms, 0 to 1."""
    edges = np.histogram_bin_edges(np.concatenate([one, other]), 12)
    return float(np.minimum(*(np.histogram(x, edges)[0] / len(x) for x in (one, other))).sum())


def separation(one: np.ndarray, other: np.ndarray) -> float:
    """Chance that a value of one class exceeds one of the other, or the reverse: 0.5 to 1."""
    above = float((one[:, None] > other[None, :]).mean())
    return max(above, 1 - above)


def test_common_classes_occur_in_many_places(blocks: Blocks) -> None:
    for code in (TREE, SHRUB, GRASS, CROP, BUILT):
        assert len(np.unique(blocks.places[blocks.classes == code])) >= 5


def test_mean_colour_does_not_name_the_class_and_texture_adds_to_it(blocks: Blocks) -> None:
    colour = held_out_accuracy(blocks, blocks.colours)
    both = held_out_accuracy(blocks, np.hstack([blocks.colours, blocks.textures]))
    assert 0.3 < colour < 0.75
    assert both > colour + 0.02


@pytest.mark.parametrize(("one", "other"), [(GRASS, CROP), (GRASS, SHRUB), (SHRUB, CROP)])
def test_classes_share_their_colours(blocks: Blocks, one: int, other: int) -> None:
    colours = blocks.colours
    shared = [overlap(colours[blocks.classes == one, b], colours[blocks.classes == other, b]) for b in range(7)]
    assert np.mean(shared) > 0.3


@pytest.mark.parametrize(("one", "other"), [(GRASS, CROP), (GRASS, BUILT), (TREE, GRASS), (SHRUB, BUILT)])
def test_classes_differ_in_texture(blocks: Blocks, one: int, other: int) -> None:
    textures = blocks.textures
    best = max(
        separation(textures[blocks.classes == one, m], textures[blocks.classes == other, m])
        for m in range(textures.shape[1])
    )
    assert best > 0.75
