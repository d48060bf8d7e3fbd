"""Makes a small chip store whose pixels are quickly learned: levels that the sensors share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from earthenware import sensors
from earthenware.chips import Mask, column
from earthenware.steps import StepReport
from earthenware.testing import Chips

CUBE = ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30")


def fields(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """One level per chip and a slope, [chip, y, x]: what is hidden follows from what is seen."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    slope = rng.uniform(-0.5, 0.5, (count, 2, 1, 1))
    return rng.uniform(-1, 1, (count, 1, 1)) + slope[:, 0] * x + slope[:, 1] * y


def make_chips(count: int, size: int, seed: int, splits: tuple[str, ...]):
    """Return pixels, masks and rows of chips of one scene."""
    rng = np.random.default_rng(seed)
    pixels, masks = {}, {}
    field = fields(rng, count, size)
    for name in CUBE:
        sensor = sensors.sensor(name)
        bands = len(sensor.bands)
        level = rng.uniform(0.5, 1.5, (bands, 1, 1))
        noise = rng.normal(0, 0.02, (count, bands, size, size))
        middle, spread = {"optical": (3000, 1000), "radar": (-12, 4), "elevation": (500, 100)}[sensor.kind]
        values = middle + spread * (level * field[:, None] + noise)
        pixels[name] = sensor.encode(values.astype(np.float32))
        masks[name] = np.zeros((count, size, size), np.uint8)
    masks[CUBE[0]][::5, : size // 4] |= np.uint8(Mask.CLOUD)
    masks[CUBE[0]][1::7, :, : size // 8] |= np.uint8(Mask.NODATA)
    pixels[CUBE[0]][1::7, :, :, : size // 8] = -32768
    rows = [
        {
            "chip_id": f"part{seed}-{number:05d}",
            "scene_id": f"scene{seed}",
            "site": f"site{seed}",
            "split": splits[number % len(splits)],
            "datetime": datetime(2021, 7, 1, 10, tzinfo=UTC) + timedelta(days=number),
            "lon": -60.0 + number * 0.01,
            "lat": -10.0 + seed * 0.1,
            "crs": "EPSG:32720",
            "transform": [10.0, 0.0, 5e5, 0.0, -10.0, 9e6],
            "row": 0,
            "col": number,
            column(CUBE[1], "present"): number % 4 != 3,
        }
        for number in range(count)
    ]
    return pixels, masks, rows


def build_store(
    output: Path,
    *,
    count: int = 96,
    size: int = 32,
    parts: int = 2,
    splits: tuple[str, ...] = ("train",) * 3 + ("validation",),
) -> StepReport:
    """Write a store as a step does, manifest and all."""

    made = [make_chips(count // parts, size, seed, splits) for seed in range(parts)]
    pixels, masks = ({name: np.concatenate([one[kind][name] for one in made]) for name in CUBE} for kind in (0, 1))
    return Chips(pixels, masks, [row for one in made for row in one[2]]).build(str(output), parts=parts)
