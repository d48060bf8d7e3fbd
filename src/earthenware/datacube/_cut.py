"""From a scene to its chips: which are kept, their pixels, and their index rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from earthenware.chips import Mask, column
from earthenware.datacube._cube import SceneReader
from earthenware.datacube._grid import ChipPlaces, chip_places, footprints, touching, window_sums
from earthenware.datacube._spec import BuildSpec
from earthenware.datacube._tally import Tally
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.scenes import Scene
from earthenware.sensors import Sensor, sensor


@dataclass(frozen=True)
class ChipBlock:
    """Some chips of one scene: by sensor stored values [chip, band, y, x] and flags [chip, y, x]; index rows."""

    pixels: dict[str, NDArray[np.int16]]
    masks: dict[str, NDArray[np.uint8]]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class _Fractions:
    """Shares of a chip's pixels, [chip]; ``cloud`` is None where clouds are not known."""

    nodata: NDArray[np.float64]
    cloud: NDArray[np.float64] | None = None

    def take(self, chosen: NDArray[np.bool_]) -> _Fractions:
        return _Fractions(self.nodata[chosen], None if self.cloud is None else self.cloud[chosen])

    def keep(self, spec: BuildSpec, tally: Tally) -> NDArray[np.bool_]:
        """Return which chips pass, and count the others."""
        # A chip without a single measured pixel is nothing to learn from, whatever the limit.
        measured = (self.nodata <= spec.max_nodata) & (self.nodata < 1.0)
        clear = np.ones_like(measured) if self.cloud is None else self.cloud <= spec.max_cloud
        tally.dropped_nodata += int((~measured).sum())
        tally.dropped_cloud += int((measured & ~clear).sum())
        return measured & clear


def cut_scene(
    scene: Scene,
    spec: BuildSpec,
    sensors: Sequence[str],
    reading: Reading,
    pool: Executor,
    tally: Tally,
    rows: tuple[int, int] | None = None,
) -> ChipBlock | None:
    """Return a scene's chips, None where not one is left, and add to the tally.

    The quality band is read first; the others only where it leaves chips worth having. Of a scene that is too large to
    be held at once, ``rows`` are the first and one past the last row of chips to cut.

    Raises:
        EarthenwareError: What makes the scene unusable.
    """
    size = spec.chip_size
    places = chip_places(scene.grid.height, scene.grid.width, size, spec.edges, rows)
    if not len(places):
        shape = f"{scene.grid.height} x {scene.grid.width}"
        raise EarthenwareError("TOO_SMALL", f"Scene '{scene.id}' ({shape} pixels) is smaller than a chip of {size}.")
    tally.candidates += len(places)
    withheld = touching(scene.grid, places, size, scene.withheld)
    tally.dropped_split += int(withheld.sum())
    places = places.take(~withheld)
    if not len(places):
        return None
    reader = SceneReader(scene, reading, pool, whole=rows is None)
    if rows is not None:
        reader.check_claim()
    block = _cut(reader, spec, sensors, places, tally)
    if rows is None:
        reader.check_coverage()
    if block is not None:
        tally.splits[scene.split] = tally.splits.get(scene.split, 0) + len(block.rows)
    if reader.decision is not None and reader.decision.contradicted:
        tally.contradicted.append(scene.id)
    if reader.decision is not None and reader.decision.suspected:
        tally.suspected.append(scene.id)
    return block


def _window(grid: GeoBox, places: ChipPlaces, size: int) -> tuple[GeoBox, ChipPlaces]:
    """Return the smallest window that holds the chips, and the chips as seen from it."""
    top, left = int(places.y.min()), int(places.x.min())
    height, width = int(places.y.max()) + size - top, int(places.x.max()) + size - left
    return grid[top : top + height, left : left + width], places.moved(top, left)


def _cut(
    reader: SceneReader, spec: BuildSpec, sensors: Sequence[str], places: ChipPlaces, tally: Tally
) -> ChipBlock | None:
    size, grid = spec.chip_size, reader.scene.grid
    window, local = _window(grid, places, size)
    flags = reader.flags(window)
    if flags is not None:
        keep = _fractions(flags, local, size, clouds=True).keep(spec, tally)
        if not keep.any():
            return None
        places, inner = places.take(keep), local.take(keep)
        top, left = int(inner.y.min()), int(inner.x.min())
        window, local = _window(grid, places, size)
        flags = flags[top : top + window.height, left : left + window.width]
    stored, flagged = reader.read(window, flags)
    # The bands have the last word: where one of them has no value, the classification may have seen none missing.
    fractions = _fractions(flagged[reader.base.id], local, size, clouds=flags is not None)
    keep = fractions.keep(spec, tally)
    if not keep.any():
        return None
    local = local.take(keep)
    windows = [np.s_[..., y : y + size, x : x + size] for y, x in zip(local.y, local.x, strict=True)]
    names = [name for name in sensors if name in stored]
    pixels = {name: np.stack([stored[name][window] for window in windows]) for name in names}
    masks = {name: np.stack([flagged[name][window] for window in windows]) for name in names}
    rows = _rows(reader, sensors, size, places.take(keep), pixels, masks, fractions.take(keep))
    return ChipBlock(pixels, masks, rows)


def _fractions(flags: NDArray[np.uint8], places: ChipPlaces, size: int, *, clouds: bool) -> _Fractions:
    """Measure all chips at once."""
    area, nodata = size * size, (flags & int(Mask.NODATA)) != 0
    missing = window_sums(nodata, places, size)
    if not clouds:
        return _Fractions(missing / area)
    covered = ((flags & int(Mask.CLOUD | Mask.SHADOW)) != 0) & ~nodata
    return _Fractions(missing / area, window_sums(covered, places, size) / np.maximum(area - missing, 1))


def _rows(
    reader: SceneReader,
    sensors: Sequence[str],
    size: int,
    places: ChipPlaces,
    pixels: Mapping[str, NDArray[np.int16]],
    masks: Mapping[str, NDArray[np.uint8]],
    fractions: _Fractions,
) -> list[dict[str, Any]]:
    """Return the index rows of chips with these pixels [chip, band, y, x] and masks [chip, y, x]."""
    scene = reader.scene
    centres, outlines = footprints(scene.grid, places, size)
    a, b, c, d, e, f = scene.grid.affine[:6]
    crs = str(scene.grid.crs)
    links = {name: reader.links(name) for name in pixels}
    nodata = {name: ((mask & int(Mask.NODATA)) != 0).mean(axis=(1, 2)) for name, mask in masks.items()}
    label = next((one for one in map(sensor, pixels) if one.role == "label"), None)
    codes, shares = _majority(label, pixels[label.id]) if label else (np.full(len(places), -1), np.zeros(len(places)))
    decided = reader.decision.columns() if reader.decision else {}
    of_base = {column(reader.base.id, name): value for name, value in decided.items()}
    rows: list[dict[str, Any]] = []
    for i in range(len(places)):
        row: dict[str, Any] = {
            "chip_id": f"{scene.id}-{places.row[i]:03d}-{places.col[i]:03d}",
            "scene_id": scene.id,
            "site": scene.site,
            "split": scene.split,
            "datetime": scene.datetime,
            "lon": float(centres[i, 0]),
            "lat": float(centres[i, 1]),
            "geometry": outlines[i],
            "crs": crs,
            "transform": [a, b, c + a * int(places.x[i]), d, e, f + e * int(places.y[i])],
            "row": int(places.row[i]),
            "col": int(places.col[i]),
            column(reader.base.id, "cloud_fraction"): None if fractions.cloud is None else float(fractions.cloud[i]),
            **of_base,
        }
        if codes[i] >= 0:
            row["land_cover"], row["land_cover_fraction"] = int(codes[i]), float(shares[i])
        for name in sensors:
            missing = float(nodata[name][i]) if name in nodata else 1.0
            here = missing < 1.0
            row[column(name, "present")] = here
            row[column(name, "nodata_fraction")] = missing
            row[column(name, "datetime")] = scene.items[name][0].datetime if here else None
            row[column(name, "items")] = [one.id for one in scene.items[name]] if here else []
            row[column(name, "hrefs")] = links[name] if here else []
        rows.append(row)
    return rows


def _majority(label: Sensor, classes: NDArray[np.int16]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each chip's most frequent class (-1 without any) and its share of the labelled pixels."""
    codes = np.array(sorted(label.legend))
    counts = np.stack([(classes == code).sum(axis=(1, 2, 3)) for code in codes], axis=1)
    labelled = counts.sum(axis=1)
    best = counts.argmax(axis=1)
    shares = counts.max(axis=1) / np.maximum(labelled, 1)
    return np.where(labelled > 0, codes[best], -1), shares
