"""Makes small chips of noise: any value, any flag and any sensor may be there or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from earthenware.chips import ChipWriter, Mask, PartSummary, SensorLayout, StoreDocument, column, store_document
from earthenware.testing import chip_row

SENSORS = ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover")


def make_chips(
    rng: np.random.Generator, count: int, chip_size: int, *, first: int = 0, absent: float = 0.3, split=None
):
    """Return pixels, masks and rows of random chips; each lacks some sensors."""
    pixels: dict[str, np.ndarray] = {}
    masks: dict[str, np.ndarray] = {}
    present: dict[str, np.ndarray] = {}
    for sensor in SENSORS:
        layout = SensorLayout.of(sensor)
        values = rng.integers(-3000, 12000, (count, len(layout.bands), chip_size, chip_size)).astype(np.int16)
        mask = rng.choice([0, 0, 0, 1, 2, 4, 8, 16, 32, 6], (count, chip_size, chip_size)).astype(np.uint8)
        values[np.broadcast_to(((mask & Mask.NODATA) != 0)[:, None], values.shape)] = layout.nodata
        pixels[sensor], masks[sensor] = values, mask
        present[sensor] = rng.random(count) >= absent
    rows: list[dict[str, Any]] = []
    for index in range(count):
        scene = f"scene-{(first + index) // 4:04d}"
        row = chip_row(
            f"{scene}-{first + index:04d}",
            scene_id=scene,
            site="33UXP",
            split=split or str(rng.choice(["train", "validation", "test"])),
            moment=datetime(2023, 5, 1, 10, 20, 31, 24000, tzinfo=UTC) + timedelta(days=index),
            west=float(rng.uniform(200_000, 800_000)),
            north=float(rng.uniform(1_000_000, 9_000_000)),
            size=chip_size,
        )
        row |= {"row": index // 8, "col": index % 8, "land_cover": 40, "land_cover_fraction": 0.75}
        rows.append(row | {column(sensor, "present"): bool(here[index]) for sensor, here in present.items()})
    return pixels, masks, rows


def write_part(folder: Path, pixels, masks, rows, chip_size: int, *, batch: int = 1000) -> PartSummary:
    """Write the chips as one part, a few at a time."""
    with ChipWriter(folder, chip_size=chip_size, gsd=10.0, sensors=SENSORS, expected=len(rows)) as writer:
        for start in range(0, len(rows), batch):
            chosen = slice(start, start + batch)
            writer.write(
                {sensor: values[chosen] for sensor, values in pixels.items()},
                {sensor: values[chosen] for sensor, values in masks.items()},
                rows[chosen],
            )
        return writer.close()


def make_store(root: Path, chip_size: int, parts: list[tuple[Any, Any, Any]], *, batch: int = 1000) -> StoreDocument:
    """Write a store of several parts at ``root``, a few chips at a time; return its document."""
    entries = []
    for number, (pixels, masks, rows) in enumerate(parts):
        path = f"parts/{number:03d}/attempt"
        entries.append(write_part(root / path, pixels, masks, rows, chip_size, batch=batch).entry(path))
    layouts = {sensor: SensorLayout.of(sensor) for sensor in SENSORS}
    document = store_document(entries, chip_size=chip_size, gsd=10.0, layouts=layouts)
    document.write(str(root))
    return document
