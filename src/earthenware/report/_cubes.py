"""Datacubes put together again from their chips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore, Mask
from earthenware.pages import CLEAR, FLAG_COLOURS, MISSING, Picture, encode_jpeg, encode_png, sensor_views, shade_flags
from earthenware.report._maps import ColouredProduct

WIDEST = 10
"""At most so many chips along an edge: a picture of more shows nothing more."""

FLAG_KEY: Final = [
    ("clear", CLEAR),
    *((str(flag.name).lower(), colour) for flag, colour in FLAG_COLOURS.items() if flag != Mask.NODATA),
    ("no data or not kept", MISSING),
]
"""What the colours of a mask mean."""


@dataclass(frozen=True)
class Cube:
    """Chips of one scene that lie together, with their rows and columns from 0 `[chip]`.

    The moment is in UTC, the position is that of the middle in degrees; ``clouds_known`` tells whether the catalog said
    where clouds are.
    """

    site: str
    moment: datetime | None
    lon: float
    lat: float
    chips: NDArray[np.int64]
    ids: list[str]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    clouds_known: bool

    @property
    def where(self) -> str:
        """Time and position for a reader."""
        date = f"{self.moment:%Y-%m-%d %H:%M} UTC" if self.moment else "no date"
        east, north = ("E" if self.lon >= 0 else "W"), ("N" if self.lat >= 0 else "S")
        return f"{date}, {abs(self.lat):.3f}\u00b0{north} {abs(self.lon):.3f}\u00b0{east}"


def choose_cubes(store: ChipStore, count: int, seed: int) -> list[Cube]:
    """Choose datacubes of different sites: clear ones, and every other one with some cloud if there is such."""
    scenes, sites = store.column("scene_id").astype(str), store.column("site").astype(str)
    cloud = np.nan_to_num(store.cloud_fraction())
    names, code = np.unique(scenes, return_inverse=True)
    chips = np.bincount(code)
    mean_cloud = np.bincount(code, cloud) / chips
    site_of = np.empty(len(names), sites.dtype)
    site_of[code] = sites
    order = np.random.default_rng([seed, 1]).permutation(np.unique(sites))
    # A cube that lost many chips makes a poor picture: sites that have a whole one come first.
    most = np.array([chips[site_of == site].max() for site in order])
    order = order[np.argsort(most < 0.98 * most.max(), kind="stable")]
    result = []
    for number, site in enumerate(order[:count]):
        own = np.flatnonzero(site_of == site)
        full = own[chips[own] >= 0.95 * chips[own].max()]
        wanted = 0.04 if number % 2 else 0.0
        best = full[np.argmin(np.abs(mean_cloud[full] - wanted))]
        result.append(_cube(store, np.flatnonzero(code == best)))
    return result


def _cube(store: ChipStore, chips: NDArray[np.int64]) -> Cube:
    rows, columns = (store.column(name)[chips].astype(np.int64) for name in ("row", "col"))
    rows, columns = rows - rows.min(), columns - columns.min()
    near = (rows < WIDEST) & (columns < WIDEST)
    if not near.any():
        near = np.arange(len(chips)) == 0
    chips, rows, columns = chips[near], rows[near] - rows[near].min(), columns[near] - columns[near].min()
    first = store.index.slice(int(chips[0]), 1).to_pylist()[0]
    return Cube(
        site=first["site"],
        moment=first["datetime"],
        lon=float(store.column("lon")[chips].mean()),
        lat=float(store.column("lat")[chips].mean()),
        chips=chips,
        ids=store.index["chip_id"].take(chips).to_pylist(),
        rows=rows,
        columns=columns,
        clouds_known=bool(np.isfinite(store.cloud_fraction()[chips[0]])),
    )


def _join(cube: Cube, tiles: NDArray[Any], fill: Any) -> NDArray[Any]:
    """Lay tiles `[..., y, x]` out by their rows and columns."""
    *lead, height, width = tiles[0].shape
    down, across = int(cube.rows.max()) + 1, int(cube.columns.max()) + 1
    result = np.full((*lead, down * height, across * width), fill, tiles[0].dtype)
    for tile, row, col in zip(tiles, cube.rows, cube.columns, strict=True):
        result[..., row * height : (row + 1) * height, col * width : (col + 1) * width] = tile
    return result


def cube_views(store: ChipStore, cube: Cube) -> dict[str, Picture]:
    """Return pictures of a datacube by what they show: a view of every sensor, and the masks of optical ones."""
    views: dict[str, Picture] = {}
    masks: dict[str, Picture] = {}
    for name, layout in store.sensors.items():
        view = sensor_views(name, layout.bands)
        if view is None:
            continue
        shown = {name: [layout.bands[band] for band in view.bands]}
        pixels, mask = store.read_batch([name], cube.chips, bands=shown)[name]
        values = _join(cube, layout.decode(pixels), np.nan)
        flags = _join(cube, mask, np.uint8(Mask.NODATA))
        # Clouds would take the whole stretch and leave the ground black.
        clear = np.where((flags & (Mask.CLOUD | Mask.SHADOW)) == 0, values, np.nan)
        stretch = view.stretch(clear if np.isfinite(clear).any() else values)
        known = view.title if view.title not in views else f"{view.title} ({name})"
        views[known] = view.shade(values, stretch, gsd=store.gsd)
        if layout.kind == "optical":
            title = "mask" if cube.clouds_known else "mask, clouds unknown"
            masks[title if title not in masks else f"{title} ({name})"] = shade_flags(flags)
    return views | masks


@dataclass(frozen=True)
class Panel:
    """A picture on the page; ``kind`` is ``px`` where its pixels are shown as squares."""

    name: str
    alt: str
    data: bytes
    kind: str = ""


def cube_panels(
    cube: Cube, views: Mapping[str, Picture], product: ColouredProduct, longest: int, quality: int
) -> tuple[Cube, list[Panel]]:
    """Encode the pictures of a datacube, at most ``longest`` pixels long, and the colours of its embeddings.

    Masks become PNG, whose colours stay what the key says; all else JPEG.
    """
    panels = []
    for name, picture in views.items():
        if name.startswith("mask"):
            step = max(1, -(-max(picture.shape[:2]) // longest))
            data = encode_png(picture[::step, ::step])
        else:
            data = encode_jpeg(picture, quality, longest)
        panels.append(Panel(name, f"{name} of the datacube at {cube.site}", data))
    colours = product.picture(cube.ids, cube.rows, cube.columns)
    if colours is not None:
        panels.append(
            Panel("embeddings", f"Embeddings of the chips of {cube.site} as colours", encode_png(colours), "px")
        )
    return cube, panels
