"""One scene's co-registered pixels in storage units, with their flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.datacube._read import Accept, Resampling, covered_share, read_band
from earthenware.errors import EarthenwareError, first_line
from earthenware.rasters import Reading
from earthenware.scenes import Scene
from earthenware.sensors import (
    NODATA,
    Mask,
    OffsetCheck,
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

_CLAIMED: Final = 0.1
"""Share of a scene's grid that its files cover at least: what they hold bounds the work, not what is said of them."""

_ACCEPT: Final[Mapping[str, Accept]] = {
    "finite": lambda raw: np.isfinite(raw),
    "nonzero": lambda raw: np.isfinite(raw) & (raw != 0),
    "positive": lambda raw: np.isfinite(raw) & (raw > 0),
}
"""What a sensor's ``measured`` says of raw numbers."""


_SAMPLED: Final[list[tuple[Scene, OffsetDecision]]] = []
"""The last scene that this process sampled, and what it decided: each strip would read the sample anew."""


class SceneReader:
    """Reads the sensors of one scene, files side by side in a pool of threads.

    Args:
        scene: The scene.
        reading: How to read.
        pool: The threads.
        whole: Whether all of the scene is read by this reader, or strips of it by several.
    """

    def __init__(self, scene: Scene, reading: Reading, pool: Executor, *, whole: bool = True) -> None:
        self.scene = scene
        self._whole = whole
        self._items = {name: tuple(one.item for one in chosen) for name, chosen in scene.items.items()}
        self._reading = reading
        self._pool = pool
        self._covered: dict[str, bool] = {}
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
        band = self._quality.band
        return self._quality.flags(self._numbers(grid, [band], "nearest", "finite")[band])

    def read(
        self, grid: GeoBox, flags: NDArray[np.uint8] | None
    ) -> tuple[dict[str, NDArray[np.int16]], dict[str, NDArray[np.uint8]]]:
        """Read all sensors onto a window's grid, given what :meth:`flags` returned for it.

        By sensor: stored values [band, y, x] and flags [y, x].
        """
        numbers = self._numbers(grid, self.base.band_names)
        self.decision = self._decision(numbers, flags, grid)
        others = [sensor(name) for name, items in self._items.items() if name != self.base.id and items]
        reads = {one.id: [self._pool.submit(self._band, one, band, grid) for band in one.band_names] for one in others}
        stored, mask = self._base_pixels(numbers, flags)
        pixels, masks = {self.base.id: stored}, {self.base.id: mask}
        for one in others:
            found = [future.result() for future in reads[one.id]]
            if not any(covered for _, covered in found):
                continue
            item = self._items[one.id][0]
            stored = np.stack([one.encode(one.physical(values, item)) for values, _ in found])
            mask = np.where((stored == NODATA).any(axis=0), np.uint8(Mask.NODATA), np.uint8(0))
            stored[:, mask != 0] = NODATA
            pixels[one.id], masks[one.id] = stored, mask
        return pixels, masks

    def _base_pixels(
        self, numbers: dict[str, NDArray[np.float32]], flags: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return what is stored of the base sensor; the numbers are used up, to give back their memory."""
        base, item = self.base, self._items[self.base.id][0]
        shape = numbers[base.band_names[0]].shape
        mask = np.zeros(shape, dtype=np.uint8) if flags is None else flags.copy()
        stored = np.empty((len(base.bands), *shape), dtype=np.int16)
        offset = np.float32(self.decision.applied if self.decision else 0)
        largest = np.iinfo(np.int16).max * base.scale + base.offset
        for index, name in enumerate(base.band_names):
            raw = numbers.pop(name)
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
        self, grid: GeoBox, bands: Sequence[str], resampling: Resampling | None = None, measured: str = ""
    ) -> dict[str, NDArray[np.float32]]:
        """Read the base sensor's raw numbers, whole ones, NaN where there are none: band -> [y, x]."""
        futures = {band: self._pool.submit(self._band, self.base, band, grid, resampling, measured) for band in bands}
        numbers = {}
        for band, future in futures.items():
            values, covered = future.result()
            self._covered[band] = self._covered.get(band, False) or covered
            numbers[band] = np.rint(values, out=values)
        return numbers

    def check_claim(self) -> None:
        """Make sure, before any work, that the base sensor's files hold about as much as the scene's grid claims.

        Raises:
            EarthenwareError: ``NO_OVERLAP``, or what makes the files unreadable.
        """
        grid, finest = self.scene.grid, self.base.finest.name
        bands = [*self.base.band_names, *([self._quality.band] if self._quality else [])]

        def share(band: str) -> float:
            return covered_share(self._links(self.base, band), grid, self._reading)

        shares = dict(zip(bands, self._pool.map(share, bands), strict=True))
        if shares[finest] < _CLAIMED:
            message = (
                f"Scene '{self.scene.id}' claims {grid.height:,} x {grid.width:,} pixels, of which its files of "
                f"{finest} cover {shares[finest]:.3%}."
            )
            raise EarthenwareError("NO_OVERLAP", message)
        self._check_covered({band: covered > 0 for band, covered in shares.items()})

    def check_coverage(self) -> None:
        """Make sure, once the whole scene was read, that each file of the base sensor covers a part of it.

        Raises:
            EarthenwareError: ``NO_OVERLAP``.
        """
        self._check_covered(self._covered)

    def _check_covered(self, covered: Mapping[str, bool]) -> None:
        outside = sorted(band for band, found in covered.items() if not found)
        if outside:
            link = storage.redact(str(asset_for(self._items[self.base.id][0], self.base.id, outside[0])["href"]))
            message = f"Band {outside[0]} of scene '{self.scene.id}' does not cover the scene's grid ('{link}')."
            raise EarthenwareError("NO_OVERLAP", message)

    def _decision(
        self, numbers: Mapping[str, NDArray[np.float32]], flags: NDArray[np.uint8] | None, grid: GeoBox
    ) -> OffsetDecision | None:
        """Decide on the offset: from the pixels at hand if they are the scene's, else from a sample of all of it."""
        check, whole = self.base.offsets, self.scene.grid
        if check is None:
            return None
        longest = max(_SAMPLE, whole.height, whole.width)
        if self._whole and (longest == _SAMPLE or grid.height * grid.width == whole.height * whole.width):
            return self._decide(check, numbers, flags)
        if not _SAMPLED or _SAMPLED[0][0] != self.scene:
            shape = max(1, round(whole.height * _SAMPLE / longest)), max(1, round(whole.width * _SAMPLE / longest))
            sample = whole.zoom_to(shape)
            decided = self._decide(check, self._numbers(sample, check.bands, "nearest"), self.flags(sample))
            _SAMPLED[:] = [(self.scene, decided)]
        return _SAMPLED[0][1]

    def _decide(
        self, check: OffsetCheck, numbers: Mapping[str, NDArray[np.float32]], flags: NDArray[np.uint8] | None
    ) -> OffsetDecision:
        clear = None if flags is None else (flags & int(self.base.ignore)) == 0
        declared = {declared_offset(item, self.base.id) for item in self._items[self.base.id]}
        if len(declared) > 1:
            raise EarthenwareError(
                "MIXED_OFFSETS",
                f"The {self.base.title} items of scene '{self.scene.id}' declare different radiometric offsets.",
            )
        raw = {band: np.nan_to_num(numbers[band]).astype(np.uint16) for band in check.bands}
        return check.decide(declared.pop(), raw, clear)

    def _band(
        self, one: Sensor, band: str, grid: GeoBox, resampling: Resampling | None = None, measured: str = ""
    ) -> tuple[NDArray[np.float32], bool]:
        """Read a band as :func:`read_band` does, as the sensor's entry says unless told otherwise."""
        how, accept = resampling or one.resampling, _ACCEPT[measured or one.measured]
        return read_band(self._links(one, band), grid, resampling=how, accept=accept, reading=self._reading)

    def _links(self, one: Sensor, band: str) -> list[str]:
        """Return the links of a band's files, signed."""
        links = []
        for item in self._items[one.id]:
            href = str(asset_for(item, one.id, band)["href"])
            try:
                links.append(href_signer(item)(href))
            except (OSError, ValueError) as error:  # requests' errors are OSErrors
                message = f"No signature could be had for an asset of item '{item.get('id')}': {first_line(error)}."
                raise EarthenwareError("HTTP_ERROR", message) from error
        return links

    def links(self, name: str) -> list[str]:
        """Return the unsigned links of a sensor's assets."""
        bands = sensor(name).band_names
        return [str(asset_for(item, name, band)["href"]) for item in self._items[name] for band in bands]
