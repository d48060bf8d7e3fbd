"""A small chip store with known pixels, and an untrained package for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earthenware.chips import ChipStore, Mask, column
from earthenware.inference import Package, PackageInfo, load_package, model_input, save_package
from earthenware.models import ModelInput
from earthenware.models.mae import FAMILY, MaskedAutoencoder
from earthenware.sensors import SENSORS
from earthenware.testing import Chips

DEM, LAND_COVER, S1, S2 = (
    SENSORS["cop-dem-glo-30"],
    SENSORS["land-cover"],
    SENSORS["sentinel-1-rtc"],
    SENSORS["sentinel-2-l2a"],
)

SIZE = 16
CUBE = (S2.id, S1.id, DEM.id)
LEVELS = {S2.id: (2000.0, 500.0), S1.id: (-12.0, 3.0), DEM.id: (400.0, 50.0), LAND_COVER.id: (40.0, 5.0)}


def make_store(root: Path, count: int = 12, *, sensors: tuple[str, ...] = CUBE, size: int = SIZE) -> ChipStore:
    """Write chips: 1 lacks radar, 2 has clouds, 3 a nodata edge, 5 no place or time; the last has nothing optical."""
    rng = np.random.default_rng(7)
    pixels: dict[str, NDArray[np.int16]] = {}
    masks: dict[str, NDArray[np.uint8]] = {}
    for sensor in (one for one in (S2, S1, DEM, LAND_COVER) if one.id in sensors):
        level, spread = LEVELS[sensor.id]
        waves = np.sin(np.mgrid[0:size, 0:size].sum(0) / rng.uniform(1, 4, (count, len(sensor.bands), 1, 1)))
        values = level + spread * (waves + rng.normal(0, 0.1, waves.shape))
        mask = np.zeros((count, size, size), np.uint8)
        mask[2, :, : size // 2] = Mask.CLOUD
        mask[3, : size // 4] = Mask.NODATA
        mask[4, 0, 0] = Mask.SNOW | Mask.WATER
        if sensor.id == S2.id:
            mask[-1] = Mask.CLOUD
        stored = sensor.encode(values.astype(np.float32))
        stored[3, :, : size // 4] = -32768
        pixels[sensor.id], masks[sensor.id] = stored, mask
    rows = [
        {
            "chip_id": f"chip-{number:03d}",
            "scene_id": "scene",
            "site": "site",
            "split": "train",
            "datetime": None if number == 5 else datetime(2021, 7, 1, 10, 30, tzinfo=UTC) + timedelta(days=number),
            "lon": None if number == 5 else 20.0 + number,
            "lat": None if number == 5 else -10.0,
            column(S1.id, "present"): number != 1,
        }
        for number in range(count)
    ]
    if S1.id not in sensors:
        for row in rows:
            del row[column(S1.id, "present")]
    return Chips(pixels, masks, rows).write(str(root))


def small_model(seed: int = 0, reads: ModelInput | None = None, **changes: Any) -> MaskedAutoencoder:
    values: dict[str, Any] = {"patch_size": 4, "dim": 32, "depth": 2, "heads": 2, "dim_head": 16, "decoder_dim": 32}
    reads = reads or model_input(CUBE, SIZE, 10.0)
    torch.manual_seed(seed)
    return FAMILY.build(FAMILY.configure("nano", reads, {**values, **changes}), reads)


def make_package(folder: Path, store: ChipStore, **changes: Any) -> Package:
    info = PackageInfo.from_store(store, CUBE)
    save_package(folder, small_model(reads=info.reads, **changes), info)
    return load_package(folder)
