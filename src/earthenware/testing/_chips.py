"""Chips in memory that look like those of a build, and stores of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import STORE_FILE, ChipStore, Mask, StoreDocument, column, write_chips
from earthenware.sensors import sensor
from earthenware.steps import Attempt, Result, StepReport
from earthenware.testing._steps import run_small_step

SENSORS: Final = ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover")
CLASSES: Final = (10, 40, 80)
"""Trees, crops, water."""
GSD: Final = 10.0
_CRS: Final = "EPSG:32632"


@dataclass
class Chips:
    """Chips in memory, to be changed before they are written.

    Attributes:
        pixels: Sensor id -> stored values `[chip, band, y, x]`.
        masks: Sensor id -> flags `[chip, y, x]`.
        rows: One index row per chip.
    """

    pixels: dict[str, NDArray[np.int16]]
    masks: dict[str, NDArray[np.uint8]]
    rows: list[dict[str, Any]]

    def write(self, uri: str, *, parts: int = 1) -> ChipStore:
        """Write a store without a manifest and open it."""
        write_chips(uri, self.pixels, self.masks, self.rows, gsd=GSD, parts=parts)
        return ChipStore.open(uri)

    def build(self, output: str, *, parts: int = 1) -> StepReport:
        """Write a store as a build step would; other chips are another spec."""
        digest = hashlib.sha256(repr(self.rows).encode())
        for name in self.pixels:
            digest.update(self.pixels[name].tobytes() + self.masks[name].tobytes())

        def body(attempt: Attempt) -> Result:
            document: StoreDocument = write_chips(
                attempt.output, self.pixels, self.masks, self.rows, gsd=GSD, parts=parts, path=attempt.part_path
            )
            attempt.put_json(STORE_FILE, document.to_json())
            return Result(counts={"chips": document.chips}, content=document.content_digest)

        return run_small_step("build", output, body, content=digest.hexdigest())


def chip_row(
    chip_id: str,
    *,
    scene_id: str,
    site: str,
    split: str,
    moment: datetime,
    west: float,
    north: float,
    size: int,
    sensors: Sequence[str] = SENSORS,
) -> dict[str, Any]:
    """Return the index row of a chip somewhere in UTM zone 32 north, with all its sensors and free of clouds.

    Its left and upper edge are in metres, its size in pixels.
    """
    import pyproj
    import shapely

    to_degrees = pyproj.Transformer.from_crs(_CRS, "OGC:CRS84", always_xy=True)
    east, south = west + size * GSD, north - size * GSD
    corners = [(west, south), (east, south), (east, north), (west, north)]
    lon, lat = to_degrees.transform((west + east) / 2, (north + south) / 2)
    return {
        "chip_id": chip_id,
        "scene_id": scene_id,
        "site": site,
        "split": split,
        "datetime": moment,
        "lon": lon,
        "lat": lat,
        "geometry": shapely.to_wkb(shapely.Polygon([to_degrees.transform(*corner) for corner in corners])),
        "crs": _CRS,
        "transform": [GSD, 0.0, west, 0.0, -GSD, north],
        "row": 0,
        "col": 0,
        **{column(name, "items"): [f"{name}-{scene_id}"] for name in sensors},
        **{column(name, "datetime"): moment for name in sensors},
        **{column(name, "cloud_fraction"): 0.0 for name in sensors},
        **{column(name, "nodata_fraction"): 0.0 for name in sensors},
    }


def make_chips(
    *,
    sites: int = 6,
    chips: int = 6,
    size: int = 32,
    labels: bool = True,
    site: str = "site{:02d}",
    sensors: Sequence[str] = SENSORS,
) -> Chips:
    """Make chips of land cover that can be told apart: smooth water, striped fields, rough woods.

    Every fourth chip of a site has a cloud over its upper half in optical sensors, the second site lacks radar, and
    every third one is for validation.

    Args:
        sites: Number of sites, one scene each.
        chips: Chips per site.
        size: Edge of a chip in pixels.
        labels: Whether the index says each chip's land cover.
        site: Name of a site, with a place for its number.
        sensors: Ids of the sensors to make.

    Returns:
        The chips, site by site.
    """
    pixels: dict[str, list[NDArray[np.int16]]] = {name: [] for name in sensors}
    masks: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in sensors}
    rows: list[dict[str, Any]] = []
    for place in range(sites):
        random, name_of_site = np.random.default_rng([0, place]), site.format(place)
        for number in range(chips):
            cover = CLASSES[(place + number) % len(CLASSES)]
            row = chip_row(
                f"{name_of_site}_20210601_{number:03d}_000",
                scene_id=f"{name_of_site}_20210601",
                site=name_of_site,
                split="validation" if place % 3 == 2 else "train",
                moment=datetime(2021, 6, 1, 10, 30, 15, tzinfo=UTC) + timedelta(days=10 * place, microseconds=number),
                west=500_000 + 20_000.0 * place,
                north=5_000_000 - size * GSD * number,
                size=size,
                sensors=sensors,
            )
            row |= {"row": number, "land_cover": cover if labels else None}
            row["land_cover_fraction"] = 1.0 if labels else None
            surface = _surface(random, cover, size)
            for name in sensors:
                one, mask = sensor(name), np.zeros((size, size), np.uint8)
                pixels[name].append(one.encode(_seen(random, surface, cover, one.kind, len(one.bands))))
                if one.kind == "optical" and number % 4 == 3:
                    mask[: size // 2] = Mask.CLOUD
                    row[column(name, "cloud_fraction")] = 0.5
                masks[name].append(mask)
                if one.kind == "radar" and place == 1:
                    row[column(name, "present")] = False
            rows.append(row)
    return Chips(
        {name: np.stack(values) for name, values in pixels.items()},
        {name: np.stack(values) for name, values in masks.items()},
        rows,
    )


def _surface(random: np.random.Generator, cover: int, size: int) -> NDArray[np.float64]:
    """Return the brightness of the ground, [y, x]."""
    x = np.arange(size)[None, :]
    level = {10: 300.0, 40: 1200.0, 80: 150.0}[cover]
    pattern = {
        10: random.normal(0, 1, (size, size)),
        40: np.broadcast_to(np.sign(np.sin(x / 2.0 + random.uniform(0, 6))), (size, size)),
        80: np.zeros((size, size)),
    }
    surface: NDArray[np.float64] = level + 0.3 * level * pattern[cover] + random.normal(0, 60)
    return surface


def _seen(
    random: np.random.Generator, surface: NDArray[np.float64], cover: int, kind: str, bands: int
) -> NDArray[np.float64]:
    """Return what a kind of sensor measures of a surface, in physical units, [band, y, x]."""
    size = len(surface)
    y, x = np.mgrid[:size, :size]
    if kind == "optical":
        planes = [surface * (1 + 0.15 * band) + random.normal(0, 15, (size, size)) for band in range(bands)]
    elif kind == "radar":
        planes = [(-8 if cover == 10 else -18) - 6 * band + random.normal(0, 2, (size, size)) for band in range(bands)]
    elif kind == "elevation":
        planes = [200 + random.normal(0, 50) + 2.0 * x + 1.0 * y]
    else:
        planes = [np.full((size, size), float(cover))]
    return np.stack(planes)
