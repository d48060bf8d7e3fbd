"""Makes small chips with known pixels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from earthenware.chips import ChipWriter, Mask, PartSummary, SensorLayout, StoreDocument, column, store_document

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
        lon, lat = float(rng.uniform(-179, 179)), float(rng.uniform(-80, 80))
        row: dict[str, Any] = {
            "chip_id": f"scene-{(first + index) // 4:04d}-{first + index:04d}",
            "scene_id": f"scene-{(first + index) // 4:04d}",
            "site": "33UXP",
            "split": split or str(rng.choice(["train", "validation", "test"])),
            "datetime": datetime(2023, 5, 1, 10, 20, 31, 24000, tzinfo=UTC) + timedelta(days=index),
            "lon": lon,
            "lat": lat,
            "geometry": shapely.to_wkb(shapely.box(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)),
            "crs": "EPSG:32633",
            "transform": [10.0, 0.0, 500000.5, 0.0, -10.0, 5300000.25],
            "row": index // 8,
            "col": index % 8,
            "land_cover": 40,
            "land_cover_fraction": 0.75,
        }
        for sensor in SENSORS:
            row[column(sensor, "present")] = bool(present[sensor][index])
            row[column(sensor, "items")] = ["item"] if present[sensor][index] else []
        rows.append(row)
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


def make_store(root: Path, chip_size: int, parts: list[tuple[Any, Any, Any]]) -> StoreDocument:
    """Write a store of several parts at ``root``; return its document."""
    entries = []
    for number, (pixels, masks, rows) in enumerate(parts):
        path = f"parts/{number:03d}/attempt"
        entries.append(write_part(root / path, pixels, masks, rows, chip_size).entry(path))
    layouts = {sensor: SensorLayout.of(sensor) for sensor in SENSORS}
    document = store_document(entries, chip_size=chip_size, gsd=10.0, layouts=layouts)
    document.write(str(root))
    return document
