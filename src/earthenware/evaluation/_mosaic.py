"""Datacubes put together again from their chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore, Mask, column
from earthenware.pages import (
    Picture,
    colour_stretch,
    shade_flags,
    shade_grey,
    shade_relief,
    shade_true_colour,
)
from earthenware.sensors import DEM, S1, S2

WIDEST = 10
"""At most so many chips along an edge: a picture of more shows nothing more."""


@dataclass(frozen=True)
class Cube:
    """Chips of one scene that lie together.

    Attributes:
        scene: Id of the scene.
        site: Its place.
        moment: When it was acquired (UTC).
        lon: Longitude of the middle in degrees.
        lat: Latitude of the middle in degrees.
        chips: Chip numbers `[chip]`.
        rows: Row of each chip, from 0 `[chip]`.
        columns: Column of each chip, from 0 `[chip]`.
        clouds_known: Whether the catalog said where clouds are.
    """

    scene: str
    site: str
    moment: datetime | None
    lon: float
    lat: float
    chips: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    clouds_known: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of chips."""
        return int(self.rows.max()) + 1, int(self.columns.max()) + 1


def _column(store: ChipStore, name: str) -> NDArray[Any]:
    return np.asarray(store.index[name].to_numpy(zero_copy_only=False))


def choose_cubes(store: ChipStore, count: int, seed: int) -> list[Cube]:
    """Choose datacubes of different places: clear ones, and every other one with some cloud if there is such.

    Args:
        store: The chips.
        count: At most so many.
        seed: Seed of the choice of places.
    """
    scenes, sites = _column(store, "scene_id").astype(str), _column(store, "site").astype(str)
    clouds = column(S2.id, "cloud_fraction")
    cloud = (
        np.nan_to_num(_column(store, clouds).astype(np.float64))
        if clouds in store.index.schema.names
        else np.zeros(len(store))
    )
    names, code = np.unique(scenes, return_inverse=True)
    chips = np.bincount(code)
    mean_cloud = np.bincount(code, cloud) / chips
    site_of = np.empty(len(names), sites.dtype)
    site_of[code] = sites
    places = np.random.default_rng([seed, 1]).permutation(np.unique(sites))
    # A cube that lost many chips makes a poor picture: places that have a whole one come first.
    most = np.array([chips[site_of == site].max() for site in places])
    places = places[np.argsort(most < 0.98 * most.max(), kind="stable")]
    result = []
    for number, site in enumerate(places[:count]):
        own = np.flatnonzero(site_of == site)
        full = own[chips[own] >= 0.95 * chips[own].max()]
        wanted = 0.04 if number % 2 else 0.0
        best = full[np.argmin(np.abs(mean_cloud[full] - wanted))]
        result.append(_cube(store, np.flatnonzero(code == best)))
    return result


def _cube(store: ChipStore, chips: NDArray[np.int64]) -> Cube:
    rows, columns = (_column(store, name)[chips].astype(np.int64) for name in ("row", "col"))
    rows, columns = rows - rows.min(), columns - columns.min()
    near = (rows < WIDEST) & (columns < WIDEST)
    if not near.any():
        near = np.arange(len(chips)) == 0
    chips, rows, columns = chips[near], rows[near] - rows[near].min(), columns[near] - columns[near].min()
    first = store.index.slice(int(chips[0]), 1).to_pylist()[0]
    return Cube(
        scene=first["scene_id"],
        site=first["site"],
        moment=first["datetime"],
        lon=float(_column(store, "lon")[chips].mean()),
        lat=float(_column(store, "lat")[chips].mean()),
        chips=chips,
        rows=rows,
        columns=columns,
        clouds_known=first.get(column(S2.id, "cloud_fraction")) is not None,
    )


def _join(cube: Cube, tiles: Sequence[NDArray[Any]], fill: Any) -> NDArray[Any]:
    """Lay tiles `[..., y, x]` out by their rows and columns."""
    *lead, height, width = tiles[0].shape
    down, across = cube.shape
    result = np.full((*lead, down * height, across * width), fill, tiles[0].dtype)
    for tile, row, col in zip(tiles, cube.rows, cube.columns, strict=True):
        result[..., row * height : (row + 1) * height, col * width : (col + 1) * width] = tile
    return result


def cube_views(store: ChipStore, cube: Cube) -> dict[str, Picture]:
    """Return pictures of a datacube by what they show; views of sensors that the store lacks are left out."""
    views: dict[str, Picture] = {}
    if S2.id in store.sensors:
        bands = store.sensors[S2.id].bands
        read = [store.read(S2.id, int(chip)) for chip in cube.chips]
        colours = _join(cube, [values[[bands.index(b) for b in ("B04", "B03", "B02")]] for values, _ in read], np.nan)
        flags = _join(cube, [mask for _, mask in read], np.uint8(Mask.NODATA))
        # Clouds would take the whole stretch and leave the ground black.
        clear = np.where((flags & (Mask.CLOUD | Mask.SHADOW)) == 0, colours, np.nan)
        views["true colour"] = shade_true_colour(
            colours, colour_stretch(clear if np.isfinite(clear).any() else colours)
        )
    if S1.id in store.sensors:
        vh = store.sensors[S1.id].bands.index("vh")
        views["radar VH"] = shade_grey(_join(cube, [store.read(S1.id, int(c))[0][vh] for c in cube.chips], np.nan))
    if DEM.id in store.sensors:
        height = _join(cube, [store.read(DEM.id, int(c))[0][0] for c in cube.chips], np.nan)
        views["elevation"] = shade_relief(height, gsd=store.gsd)
    if S2.id in store.sensors:
        views["mask" if cube.clouds_known else "mask, clouds unknown"] = shade_flags(flags)
    return views
