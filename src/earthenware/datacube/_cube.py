"""One scene's co-registered pixels in storage units, with their flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.datacube._read import read_band
from earthenware.errors import EarthenwareError, first_line
from earthenware.rasters import Reading
from earthenware.scenes import Scene
from earthenware.sensors import (
    NODATA,
    Mask,
    OffsetDecision,
    Sensor,
    asset_for,
    declared_offset,
    has_asset,
    href_signer,
    sensor,
)

_SAMPLE = 1024
"""Edge in pixels of the sample on which a large scene's offset is decided."""


@dataclass(frozen=True)
class Cube:
    """Pixels of a window of a scene.

    Attributes:
        pixels: Sensor id -> stored values int16 [band, y, x].
        masks: Sensor id -> flags uint8 [y, x].
    """

    pixels: Mapping[str, NDArray[np.int16]]
    masks: Mapping[str, NDArray[np.uint8]]


def _finite(raw: NDArray[Any]) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.isfinite(raw)
    return finite


def _nonzero(raw: NDArray[Any]) -> NDArray[np.bool_]:
    accepted: NDArray[np.bool_] = _finite(raw) & (raw != 0)
    return accepted


def _positive(raw: NDArray[Any]) -> NDArray[np.bool_]:
    accepted: NDArray[np.bool_] = _finite(raw) & (raw > 0)
    return accepted


_ACCEPT: Mapping[str, Callable[[NDArray[Any]], NDArray[np.bool_]]] = {
    "finite": _finite,
    "nonzero": _nonzero,
    "positive": _positive,
}


class SceneReader:
    """Reads the sensors of one scene, window by window.

    Args:
        scene: The scene.
        reading: How files are read.
        pool: Where files are read side by side.
    """

    def __init__(self, scene: Scene, reading: Reading, pool: Executor) -> None:
        self._scene = scene
        self._items = {name: tuple(one.item for one in chosen) for name, chosen in scene.items.items()}
        self._reading = reading
        self._pool = pool
        self._covered: dict[str, bool] = {}
        self._offset_known = False
        self.base = sensor(scene.base)
        self.decision: OffsetDecision | None = None
        """What was decided about the base sensor's offset; None where it has none, or no pixel was read."""
        items = self._items[self.base.id]
        if not items:
            raise EarthenwareError("MISSING_ASSET", f"Scene '{scene.id}' has no item of {self.base.title}.")
        quality = self.base.quality
        flagged = quality is not None and all(has_asset(item, self.base.id, quality.band) for item in items)
        self._quality = quality if flagged else None

    def flags(self, grid: GeoBox) -> NDArray[np.uint8] | None:
        """Return what the base sensor's quality band says, [y, x]; None when there is none.

        Where nothing was measured, the flag is ``Mask.NODATA``.
        """
        if self._quality is None:
            return None
        values, covered = self._band(self.base, self._quality.band, grid, "nearest", "finite")
        self._note(self._quality.band, covered)
        return self._quality.flags(values)

    def read(self, grid: GeoBox, flags: NDArray[np.uint8] | None) -> Cube:
        """Read all sensors onto a window's grid.

        Args:
            grid: The window.
            flags: What :meth:`flags` returned for it.
        """
        numbers = self._numbers(grid, self.base.band_names)
        if not self._offset_known:
            self.decision = self._decide(numbers, flags, grid)
            self._offset_known = True
        others = {
            name: [
                self._pool.submit(self._band, one, band, grid, one.resampling, one.measured) for band in one.band_names
            ]
            for name, items in self._items.items()
            if name != self.base.id and items
            for one in (sensor(name),)
        }
        pixels: dict[str, NDArray[np.int16]] = {}
        masks: dict[str, NDArray[np.uint8]] = {}
        pixels[self.base.id], masks[self.base.id] = self._base_pixels(numbers, flags)
        for name, futures in others.items():
            found = [future.result() for future in futures]
            if not any(covered for _, covered in found):
                continue
            one, item = sensor(name), self._items[name][0]
            stored = np.stack([one.encode(one.physical(values, item)) for values, _ in found])
            mask = np.where((stored == NODATA).any(axis=0), np.uint8(Mask.NODATA), np.uint8(0))
            stored[:, mask != 0] = NODATA
            pixels[name], masks[name] = stored, mask
        return Cube(pixels, masks)

    def _base_pixels(
        self, numbers: Mapping[str, NDArray[np.float32]], flags: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        base, item = self.base, self._items[self.base.id][0]
        shape = numbers[base.band_names[0]].shape
        mask = np.zeros(shape, dtype=np.uint8) if flags is None else flags.copy()
        stored = np.empty((len(base.bands), *shape), dtype=np.int16)
        offset = np.float32(self.decision.applied if self.decision else 0)
        largest = np.iinfo(np.int16).max * base.scale + base.offset
        for index, name in enumerate(base.band_names):
            raw = numbers[name]
            values = base.physical(raw - offset, item)
            mask[np.isnan(raw)] |= int(Mask.NODATA)
            too_bright = values > largest
            mask[too_bright if base.saturated is None else too_bright | (raw == base.saturated)] |= int(Mask.SATURATED)
            stored[index] = base.encode(values)
        nodata = (mask & int(Mask.NODATA)) != 0
        mask[nodata] = int(Mask.NODATA)
        stored[:, nodata] = NODATA
        return stored, mask

    def _numbers(
        self, grid: GeoBox, bands: Sequence[str], resampling: Literal["nearest"] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Read the base sensor's raw numbers, whole ones, NaN where there are none: band -> [y, x]."""
        one = self.base
        how = resampling or one.resampling
        futures = {band: self._pool.submit(self._band, one, band, grid, how, one.measured) for band in bands}
        found = {name: future.result() for name, future in futures.items()}
        for name, (_, covered) in found.items():
            self._note(name, covered)
        return {name: np.rint(values, out=values) for name, (values, _) in found.items()}

    def _note(self, band: str, covered: bool) -> None:
        self._covered[band] = self._covered.get(band, False) or covered

    def check_coverage(self) -> None:
        """Make sure, once all windows were read, that each file of the base sensor covers a part of the scene.

        Raises:
            EarthenwareError: ``NO_OVERLAP``.
        """
        outside = sorted(band for band, covered in self._covered.items() if not covered)
        if outside:
            link = storage.redact(str(asset_for(self._items[self.base.id][0], self.base.id, outside[0])["href"]))
            message = f"Band {outside[0]} of scene '{self._scene.id}' does not cover the scene's grid ('{link}')."
            raise EarthenwareError("NO_OVERLAP", message)

    def _decide(
        self, numbers: Mapping[str, NDArray[np.float32]], flags: NDArray[np.uint8] | None, grid: GeoBox
    ) -> OffsetDecision | None:
        """Decide on the offset: from the pixels at hand if they are the scene's, else from a sample of all of it."""
        check, whole = self.base.offsets, self._scene.grid
        if check is None:
            return None
        longest = max(whole.height, whole.width)
        if grid.height * grid.width < whole.height * whole.width and longest > _SAMPLE:
            shape = max(1, round(whole.height * _SAMPLE / longest)), max(1, round(whole.width * _SAMPLE / longest))
            sample = whole.zoom_to(shape)
            numbers = self._numbers(sample, check.bands, "nearest")
            flags = self.flags(sample)
        clear = None if flags is None else (flags & int(self.base.ignore)) == 0
        declared = {declared_offset(item, self.base.id) for item in self._items[self.base.id]}
        if len(declared) > 1:
            raise EarthenwareError(
                "MIXED_OFFSETS",
                f"The {self.base.title} items of scene '{self._scene.id}' declare different radiometric offsets.",
            )
        raw = {band: np.nan_to_num(numbers[band]).astype(np.uint16) for band in check.bands}
        return check.decide(declared.pop(), raw, clear)

    def _band(
        self, one: Sensor, band: str, grid: GeoBox, resampling: Literal["nearest", "bilinear"], measured: str
    ) -> tuple[NDArray[np.float32], bool]:
        links = []
        for item in self._items[one.id]:
            href = str(asset_for(item, one.id, band)["href"])
            try:
                links.append(href_signer(item)(href))
            except (OSError, ValueError) as error:  # requests' errors are OSErrors
                message = f"No signature could be had for an asset of item '{item.get('id')}': {first_line(error)}."
                raise EarthenwareError("HTTP_ERROR", message) from error
        return read_band(links, grid, resampling=resampling, accept=_ACCEPT[measured], reading=self._reading)

    def links(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return the unsigned links of each sensor's assets."""
        return {
            name: [
                str(asset_for(item, name, band)["href"])
                for item in self._items[name]
                for band in sensor(name).band_names
            ]
            for name in names
        }
