"""A small chip store and a small model, made through the public interfaces as the steps before would make them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from earthenware.chips import ChipStore, Mask, column, write_chips
from earthenware.products import TrainedModel
from earthenware.sensors import sensor
from earthenware.steps import Attempt, Result, Spec, StepReport, run_step

SENSORS = ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover")
CLASSES = (10, 40, 80)
SIZE = 32


class TinySpec(Spec):
    seed: int = 0
    places: int = 6
    chips: int = 6
    labels: bool = True
    optical: str = SENSORS[0]  # none where empty
    site: str = "site{:02d}"

    @property
    def sensors(self) -> tuple[str, ...]:
        return tuple(one for one in (self.optical, *SENSORS[1:]) if one)


def _pixels(spec: TinySpec, random: np.random.Generator, land_cover: int) -> dict[str, np.ndarray]:
    """Chips whose classes differ in level and in pattern: smooth water, striped fields, rough woods."""
    y, x = np.mgrid[:SIZE, :SIZE]
    level = {10: 300.0, 40: 1200.0, 80: 150.0}[land_cover]
    pattern = {10: random.normal(0, 1, (SIZE, SIZE)), 40: np.sign(np.sin(x / 2.0 + random.uniform(0, 6))), 80: 0 * y}
    shape = level + 0.3 * level * pattern[land_cover] + random.normal(0, 60)
    bands = len(sensor(spec.optical).bands) if spec.optical else 0
    optical = [shape * (1 + 0.15 * band) + random.normal(0, 15, (SIZE, SIZE)) for band in range(bands)]
    radar = np.stack(
        [(-8 if land_cover == 10 else -18) - 6 * band + random.normal(0, 2, (SIZE, SIZE)) for band in (0, 1)]
    )
    height = 200 + random.normal(0, 50) + 2.0 * x + 1.0 * y
    label = np.full((1, SIZE, SIZE), float(land_cover))
    made = dict(zip(SENSORS[1:], (radar, height[None], label), strict=True))
    return {spec.optical: np.stack(optical), **made} if optical else made


def _rows(spec: TinySpec, place: int, random: np.random.Generator) -> list[dict[str, Any]]:
    crs, split = "EPSG:32632", ("validation" if place % 3 == 2 else "train")
    to_degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    rows, site = [], spec.site.format(place)
    for chip in range(spec.chips):
        west, north = 500_000 + 20_000.0 * place, 5_000_000 - 320.0 * chip
        corners = [(west, north - 320), (west + 320, north - 320), (west + 320, north), (west, north)]
        lon, lat = to_degrees.transform(west + 160, north - 160)
        moment = datetime(2021, 6, 1, 10, 30, 15, tzinfo=UTC) + timedelta(days=10 * place, microseconds=chip)
        cover = CLASSES[(place + chip) % len(CLASSES)]
        rows.append(
            {
                "chip_id": f"{site}_20210601_{chip:03d}_000",
                "scene_id": f"{site}_20210601",
                "site": site,
                "split": split,
                "datetime": moment,
                "lon": lon,
                "lat": lat,
                "geometry": shapely.to_wkb(shapely.Polygon([to_degrees.transform(*corner) for corner in corners])),
                "crs": crs,
                "transform": [10.0, 0.0, west, 0.0, -10.0, north],
                "row": chip,
                "col": 0,
                "land_cover": cover if spec.labels else None,
                "land_cover_fraction": 1.0 if spec.labels else None,
                "cover": cover,
                **{column(s, "items"): [f"{s}-{place}"] for s in spec.sensors},
                **{column(s, "datetime"): moment for s in spec.sensors},
                **{column(s, "cloud_fraction"): 0.0 for s in spec.sensors},
                **{column(s, "nodata_fraction"): 0.0 for s in spec.sensors},
            }
        )
    return rows


def build_tiny(output: str, **fields: Any) -> StepReport:
    """Write a store as a build step would; every fourth chip has a cloud, place 1 lacks radar."""
    spec = TinySpec(**fields)

    def body(attempt: Attempt) -> Result:
        pixels: dict[str, list[np.ndarray]] = {name: [] for name in spec.sensors}
        masks: dict[str, list[np.ndarray]] = {name: [] for name in spec.sensors}
        rows: list[dict[str, Any]] = []
        for place in range(spec.places):
            random = np.random.default_rng([spec.seed, place])
            for number, row in enumerate(_rows(spec, place, random)):
                for name, values in _pixels(spec, random, row.pop("cover")).items():
                    pixels[name].append(sensor(name).encode(values))
                    masks[name].append(np.zeros((SIZE, SIZE), np.uint8))
                if number % 4 == 3 and spec.optical:
                    masks[spec.optical][-1][: SIZE // 2] = Mask.CLOUD
                    row[column(spec.optical, "cloud_fraction")] = 0.5
                if place == 1:
                    row[column("sentinel-1-rtc", "present")] = False
                rows.append(row)
        document = write_chips(
            attempt.output,
            {name: np.stack(values) for name, values in pixels.items()},
            {name: np.stack(values) for name, values in masks.items()},
            rows,
            gsd=10.0,
            parts=spec.places,
            path=attempt.part_path,
        )
        return Result(counts={"chips": document.chips}, content=document.content_digest)

    return run_step("build", 1, spec=spec, inputs={}, output=output, body=body)


class TinyTrainSpec(Spec):
    seed: int = 0
    preset: str = "nano"


def train_tiny(chips: str, output: str, *, sensors: Sequence[str] = SENSORS[:3], **fields: Any) -> StepReport:
    """Write a model package as a train step would, with weights that were drawn and never trained."""
    spec = TinyTrainSpec(**fields)

    def body(attempt: Attempt) -> Result:
        import pyarrow as pa
        import torch

        from earthenware.inference import PackageInfo, save_package
        from earthenware.models.mae import FAMILY

        store = ChipStore.open(chips)
        torch.manual_seed(spec.seed)
        info = PackageInfo.from_store(store, sensors)
        model = FAMILY.build(FAMILY.configure(spec.preset, info.reads, {"dim": 32, "depth": 1}), info.reads)
        digest = save_package(attempt.uri("model"), model, info)
        history = {"epoch": [1, 2, 3], "train_loss": [1.0, 0.8, 0.7], "validation_loss": [0.9, 0.85, None]}
        attempt.put_table("history.parquet", pa.table({**history, "learning_rate": [1e-4, 2e-4, 1e-4]}))
        return Result(
            counts={"chips": len(store)},
            metrics={"train_loss": 0.7, "validation_loss": 0.85},
            details=TrainedModel(package="model", package_digest=digest, family="mae").details(),
            content=digest,
        )

    return run_step("train", 1, spec=spec, inputs={"chips": chips}, output=output, body=body)


def open_tiny(folder: Path, **fields: Any) -> ChipStore:
    """Build a store below a folder and open it."""
    return ChipStore.open(build_tiny(str(folder / "chips"), **fields).output)
