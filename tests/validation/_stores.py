"""Makes small chip stores that look right, for tests to break in one way each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from earthenware.chips import NODATA, Mask, column
from earthenware.testing import Chips, chip_row

SENSORS = ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover")
S2, S1, DEM, LAND_COVER = SENSORS
SIZE = 32
SPLITS = ("train", "train", "train", "validation", "test")
SCENES, CHIPS = 2, 4  # per place, per scene
# Reflectance * 10000 of B02 B03 B04 B05 B06 B07 B08 B8A B11 B12.
SPECTRA = {
    10: (250, 400, 300, 700, 1900, 2300, 2500, 2600, 1300, 650),
    40: (500, 750, 700, 1200, 2200, 2500, 2700, 2800, 2000, 1300),
    80: (300, 250, 150, 120, 100, 90, 80, 70, 40, 30),
}


class Draft(Chips):
    """A store before it is written."""

    def scene(self, place: int, scene: int) -> slice:
        """Return the chips of one scene."""
        first = (place * SCENES + scene) * CHIPS
        return slice(first, first + CHIPS)

    def write(self, folder: Path) -> str:
        """Write a store of one part; return its path."""
        return super().write(str(folder)).uri


def draft() -> Draft:
    """Return a store without a fault: five places, two dates each, before and after the offset was introduced."""
    random = np.random.default_rng(7)
    count = len(SPLITS) * SCENES * CHIPS
    classes = random.choice(list(SPECTRA), (count, 4, 4), p=(0.45, 0.45, 0.1)).repeat(8, 1).repeat(8, 2)
    classes[:, :4, :4] = 80  # every chip has its pond, so that every scene has dark pixels
    spectra = np.zeros((101, 10))
    for code, values in SPECTRA.items():
        spectra[code] = values
    optical = spectra[classes].transpose(0, 3, 1, 2)
    optical = optical * random.normal(1, 0.08, optical.shape) + random.normal(0, 15, optical.shape)
    water = (classes == 80)[:, None]
    radar = (
        np.where(water, -20.0, -9.0)
        + np.array([0.0, -6.5])[:, None, None]
        + random.normal(0, 1.5, (count, 2, SIZE, SIZE))
    )
    y, x = np.mgrid[:SIZE, :SIZE]
    height = 300 + random.normal(0, 40, (count, 1, 1, 1)) + 0.8 * x + 0.4 * y
    pixels = {
        S2: np.rint(optical).astype(np.int16),
        S1: np.rint(radar * 100).astype(np.int16),
        DEM: np.rint(height * 2).astype(np.int16),
        LAND_COVER: classes[:, None].astype(np.int16),
    }
    masks = {sensor: np.zeros((count, SIZE, SIZE), dtype=np.uint8) for sensor in SENSORS}
    masks[S2][classes == 80] = Mask.WATER
    for number in range(0, count, 3):  # some swath edges
        masks[S2][number, :, -5:] = Mask.NODATA
        pixels[S2][number, :, :, -5:] = NODATA
    return Draft(pixels, masks, [_row(number, masks) for number in range(count)])


def _row(number: int, masks: dict[str, np.ndarray]) -> dict[str, Any]:
    place, scene, chip = number // (SCENES * CHIPS), number // CHIPS % SCENES, number % CHIPS
    moment = datetime(2021 + 2 * scene, 6, 3, 10, 30, 31, tzinfo=UTC) + timedelta(days=place)
    offset = 1000 * scene
    row = chip_row(
        f"place{place}-{moment:%Y%m%d}-{chip}",
        scene_id=f"place{place}-{moment:%Y%m%d}",
        site=f"place{place}",
        split=SPLITS[place],
        moment=moment,
        west=500_000 + 20_000.0 * place + SIZE * 10.0 * chip,
        north=5_000_000.0,
        size=SIZE,
    )
    row |= {
        "col": chip,
        "land_cover": 40,
        "land_cover_fraction": 0.5,
        column(S2, "offset_declared"): offset,
        column(S2, "offset_applied"): offset,
        column(S2, "offset_contradicted"): False,
        column(S2, "dark_dn"): 130.0 + offset,
    }
    for sensor in SENSORS:
        late = timedelta(days=2 if sensor == S1 else 0)
        row[column(sensor, "datetime")] = datetime(2011, 1, 1, tzinfo=UTC) if sensor == DEM else moment + late
        row[column(sensor, "hrefs")] = [f"https://example.org/{sensor}-{place}-{scene}.tif"]
        row[column(sensor, "nodata_fraction")] = float(((masks[sensor][number] & Mask.NODATA) != 0).mean())
    return row
