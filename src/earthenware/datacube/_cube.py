"""One scene's co-registered pixels in storage units, with their flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import NODATA, UNUSABLE, Mask
from earthenware.datacube._grid import Grid
from earthenware.datacube._read import read_band
from earthenware.datacube._scenes import Scene
from earthenware.errors import EarthenwareError, first_line
from earthenware.rasters import Reading
from earthenware.sensors import (
    EVIDENCE_BANDS,
    S2,
    OffsetDecision,
    OffsetEvidence,
    asset_for,
    db_from_linear,
    decide_offset,
    declared_offset,
    has_asset,
    href_signer,
    land_cover_lookup,
    offset_evidence,
    sensor,
)

_SATURATED_DN = 65535
"""ESA's value for a saturated pixel of Sentinel-2."""
_SAMPLE = 1024
"""Edge in pixels of the sample on which a large scene's offset is decided."""

assert S2.quality is not None
_QUALITY = S2.quality


@dataclass(frozen=True)
class Radiometry:
    """What was decided about Sentinel-2's offset, and the darkest number seen.

    Attributes:
        decision: See :class:`earthenware.sensors.OffsetDecision`.
        dark_dn: 0.1st percentile of the raw numbers, the lowest of the visible bands; None without pixels.
    """

    decision: OffsetDecision
    dark_dn: float | None


@dataclass(frozen=True)
class Cube:
    """Pixels of a window of a scene.

    Attributes:
        pixels: Sensor id -> stored values int16 [band, y, x].
        masks: Sensor id -> flags uint8 [y, x].
    """

    pixels: Mapping[str, NDArray[np.int16]]
    masks: Mapping[str, NDArray[np.uint8]]


def _any(raw: NDArray[Any]) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.isfinite(raw)
    return finite


def _nonzero(raw: NDArray[Any]) -> NDArray[np.bool_]:
    accepted: NDArray[np.bool_] = _any(raw) & (raw != 0)
    return accepted


def _positive(raw: NDArray[Any]) -> NDArray[np.bool_]:
    accepted: NDArray[np.bool_] = _any(raw) & (raw > 0)
    return accepted


_ACCEPT: Mapping[str, Callable[[NDArray[Any]], NDArray[np.bool_]]] = {
    "optical": _nonzero,  # 0 is "no data" in every Level-2A product, tagged or not
    "radar": _positive,  # linear power is larger than 0
    "elevation": _any,
    "label": _any,
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
        self._reading = reading
        self._pool = pool
        self._radiometry: Radiometry | None = None
        self._covered: dict[str, bool] = {}
        self.has_classes = all(has_asset(item, S2.id, _QUALITY.band) for item in scene.items[S2.id])
        if not scene.items[S2.id]:
            raise EarthenwareError("MISSING_ASSET", f"Scene '{scene.id}' has no Sentinel-2 item.")

    @property
    def radiometry(self) -> Radiometry:
        """What was decided about Sentinel-2's numbers; there once pixels were read."""
        assert self._radiometry is not None
        return self._radiometry

    @property
    def decision(self) -> OffsetDecision | None:
        """The decision about the offset, None where no pixel was read."""
        return None if self._radiometry is None else self._radiometry.decision

    def flags(self, grid: Grid) -> NDArray[np.uint8] | None:
        """Return what the scene classification says, [y, x]; None when there is none.

        Where the classification is missing or 0, the flag is ``Mask.NODATA``.
        """
        if not self.has_classes:
            return None
        values, covered = self._band(S2.id, _QUALITY.band, grid, "nearest", "label")
        self._covered[_QUALITY.band] = self._covered.get(_QUALITY.band, False) or covered
        return _QUALITY.flags(values)

    def read(self, grid: Grid, flags: NDArray[np.uint8] | None) -> Cube:
        """Read all sensors onto a window's grid.

        Args:
            grid: The window.
            flags: What :meth:`flags` returned for it.
        """
        numbers = self._numbers(grid, S2.band_names)
        if self._radiometry is None:
            self._radiometry = self._decide(numbers, flags, grid)
        others = {
            name: [self._submit(name, band.name, grid) for band in sensor(name).bands]
            for name, items in self._scene.items.items()
            if name != S2.id and items
        }
        pixels: dict[str, NDArray[np.int16]] = {}
        masks: dict[str, NDArray[np.uint8]] = {}
        pixels[S2.id], masks[S2.id] = self._optical(numbers, flags)
        for name, futures in others.items():
            found = [future.result() for future in futures]
            if not any(covered for _, covered in found):
                continue
            stored = np.stack([self._stored(name, values) for values, _ in found])
            mask = np.where((stored == NODATA).any(axis=0), np.uint8(Mask.NODATA), np.uint8(0))
            stored[:, mask != 0] = NODATA
            pixels[name], masks[name] = stored, mask
        return Cube(pixels, masks)

    def _stored(self, name: str, values: NDArray[np.float32]) -> NDArray[np.int16]:
        """Turn values as catalogs give them into stored ones."""
        kind = sensor(name).kind
        if kind == "radar":
            return sensor(name).encode(db_from_linear(values))
        if kind == "label":
            table = land_cover_lookup(self._scene.items[name][0])
            known = np.isfinite(values) & (values >= 0) & (values <= 255)
            return np.where(known, table[np.where(known, values, 0).astype(np.uint8)], np.int16(NODATA))
        return sensor(name).encode(values)

    def _numbers(
        self, grid: Grid, bands: Sequence[str], resampling: Literal["nearest"] | None = None
    ) -> dict[str, NDArray[np.uint16]]:
        """Read Sentinel-2's raw digital numbers, 0 where there are none: band -> [y, x]."""
        futures = {band: self._pool.submit(self._digital_numbers, band, grid, resampling) for band in bands}
        found = {name: future.result() for name, future in futures.items()}
        for name, (_, covered) in found.items():
            self._covered[name] = self._covered.get(name, False) or covered
        return {name: values for name, (values, _) in found.items()}

    def _digital_numbers(
        self, band: str, grid: Grid, resampling: Literal["nearest"] | None
    ) -> tuple[NDArray[np.uint16], bool]:
        values, covered = self._band(S2.id, band, grid, resampling or S2.resampling, S2.kind)
        # Numbers begin at 1, and so does what is interpolated between them: 0 stays free for "none".
        return np.rint(np.nan_to_num(values, copy=False)).astype(np.uint16), covered

    def check_coverage(self) -> None:
        """Make sure, once all windows were read, that each file read covers a part of the scene.

        Raises:
            EarthenwareError: ``NO_OVERLAP``.
        """
        outside = sorted(band for band, covered in self._covered.items() if not covered)
        if outside:
            link = storage.redact(self._links(S2.id, outside[0])[0])
            message = f"Band {outside[0]} of scene '{self._scene.id}' does not cover the scene's grid ('{link}')."
            raise EarthenwareError("NO_OVERLAP", message)

    def _decide(
        self, numbers: Mapping[str, NDArray[np.uint16]], flags: NDArray[np.uint8] | None, grid: Grid
    ) -> Radiometry:
        """Decide on the offset: from the pixels at hand if they are the scene's, else from a sample of all of it."""
        whole = self._scene.grid
        if grid.height * grid.width < whole.height * whole.width and max(whole.height, whole.width) > _SAMPLE:
            sample = whole.coarsened(max(whole.height, whole.width) / _SAMPLE)
            numbers = self._numbers(sample, EVIDENCE_BANDS, "nearest")
            flags = self.flags(sample)
        dn = {band: numbers[band] for band in EVIDENCE_BANDS}
        clear = None if flags is None else (flags & int(UNUSABLE)) == 0
        evidence = offset_evidence(dn, clear)
        declared = {declared_offset(item, S2.id) for item in self._scene.items[S2.id]}
        if len(declared) > 1:
            raise EarthenwareError(
                "MIXED_OFFSETS",
                f"The Sentinel-2 items of scene '{self._scene.id}' declare different radiometric offsets.",
            )
        return Radiometry(decide_offset(declared.pop(), evidence), _dark_dn(evidence))

    def _optical(
        self, numbers: Mapping[str, NDArray[np.uint16]], flags: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        shape = numbers[S2.bands[0].name].shape
        mask = np.zeros(shape, dtype=np.uint8) if flags is None else flags.copy()
        stored = np.empty((len(S2.bands), *shape), dtype=np.int16)
        offset, largest = np.int32(self.radiometry.decision.applied), np.iinfo(np.int16).max
        for index, band in enumerate(S2.bands):
            dn = numbers[band.name]
            mask[dn == 0] |= int(Mask.NODATA)
            reflectance = dn.astype(np.int32) - offset
            mask[(dn == _SATURATED_DN) | (reflectance > largest)] |= int(Mask.SATURATED)
            stored[index] = np.minimum(reflectance, largest).astype(np.int16)
        nodata = (mask & int(Mask.NODATA)) != 0
        mask[nodata] = int(Mask.NODATA)
        stored[:, nodata] = NODATA
        return stored, mask

    def _submit(self, name: str, band: str, grid: Grid) -> Any:
        one = sensor(name)
        return self._pool.submit(self._band, name, band, grid, one.resampling, one.kind)

    def _band(
        self, name: str, band: str, grid: Grid, resampling: Literal["nearest", "bilinear"], kind: str
    ) -> tuple[NDArray[np.float32], bool]:
        links = []
        for item in self._scene.items[name]:
            href = str(asset_for(item, name, band)["href"])
            try:
                links.append(href_signer(item)(href))
            except (OSError, ValueError) as error:  # requests' errors are OSErrors
                message = f"No signature could be had for an asset of item '{item.get('id')}': {first_line(error)}."
                raise EarthenwareError("HTTP_ERROR", message) from error
        return read_band(links, grid, resampling=resampling, accept=_ACCEPT[kind], reading=self._reading)

    def _links(self, name: str, band: str) -> list[str]:
        return [str(asset_for(item, name, band)["href"]) for item in self._scene.items[name]]

    def links(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return the unsigned links of each sensor's assets."""
        return {
            name: [
                str(asset_for(item, name, band.name)["href"])
                for item in self._scene.items[name]
                for band in sensor(name).bands
            ]
            for name in names
        }


def _dark_dn(evidence: OffsetEvidence) -> float | None:
    seen = [evidence.darkest[band] for band in ("B02", "B03", "B04") if band in evidence.darkest]
    return min(seen) if seen else None
