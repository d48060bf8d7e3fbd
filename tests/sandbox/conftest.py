"""A small sandbox that the tests share, and ways to read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, reproject

from earthenware.sandbox import SandboxSpec, SandboxSummary, make_sandbox


@dataclass(frozen=True)
class Made:
    """A sandbox on disk."""

    folder: Path
    summary: SandboxSummary
    spec: SandboxSpec
    items: list[dict[str, Any]]

    def of(self, collection: str, place: str = "") -> list[dict[str, Any]]:
        """Items of a collection, of one place if given, in order of time."""
        chosen = [i for i in self.items if i["collection"] == collection and place in i["id"]]
        return sorted(chosen, key=lambda item: item["properties"]["datetime"] or "")

    def path(self, item: dict[str, Any], asset: str) -> Path:
        return self.folder / item["assets"][asset]["href"]

    def read(self, item: dict[str, Any], asset: str) -> np.ndarray:
        with rasterio.open(self.path(item, asset)) as source:
            return source.read(1)

    def reflectance(self, item: dict[str, Any], band: str) -> np.ndarray:
        """Reflectance [y, x], NaN where there is no data."""
        numbers = self.read(item, band).astype(np.float32)
        offset = 1000 if item["properties"]["s2:processing_baseline"] >= "04.00" else 0
        return np.where(numbers == 0, np.nan, (numbers - offset) / 10000)

    def onto(self, items: list[dict[str, Any]], asset: str, like: Path, resampling: Resampling) -> np.ndarray:
        """A mosaic of one asset of several items on another file's grid [y, x], NaN where there is nothing."""
        with rasterio.open(like) as grid:
            crs, transform, shape = grid.crs, grid.transform, grid.shape
        result = np.full(shape, np.nan, np.float32)
        for item in items:
            with rasterio.open(self.path(item, asset)) as source:
                part = np.full(shape, np.nan, np.float32)
                reproject(
                    source.read(1).astype(np.float32), part, src_crs=source.crs, src_transform=source.transform,
                    src_nodata=source.nodata, dst_crs=crs, dst_transform=transform, dst_nodata=np.nan,
                    resampling=resampling,
                )  # fmt: skip
            result = np.where(np.isfinite(part), part, result)
        return result


def moment(item: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(item["properties"]["datetime"])


def load(folder: Path, spec: SandboxSpec) -> Made:
    summary = make_sandbox(spec, folder)
    return Made(folder, summary, spec, json.loads((folder / "items.json").read_text())["features"])


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Four places: one floods, one on the coast in the south, one on the zone border, one in the southern tropics."""
    return load(
        tmp_path_factory.mktemp("small") / "sandbox", SandboxSpec(seed=7, places=4, dates=3, size=160, workers=2)
    )


@pytest.fixture(scope="session")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Ten larger places, one date each, for statistics of land cover."""
    spec = SandboxSpec(seed=7, places=10, dates=1, size=320, workers=2)
    return load(tmp_path_factory.mktemp("varied") / "sandbox", spec)
