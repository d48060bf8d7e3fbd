"""Embeddings as colours on maps: one over all sites, and one of each site where they lie far apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from earthenware.metrics import components_to_rgb, principal_components
from earthenware.pages import MISSING, Picture, element, number, svg, ticks
from earthenware.products import EmbeddingProduct

WIDTH = 460.0


@dataclass(frozen=True)
class ColouredProduct:
    """An embedding product and the site of each row `[row]`.

    Its colours are the first three principal components as red, green and blue `[row, 3]`, which hold ``shares`` of the
    variance `[3]`.
    """

    product: EmbeddingProduct
    colours: NDArray[np.uint8]
    shares: NDArray[np.float64]
    sites: NDArray[np.str_]

    @classmethod
    def of(cls, product: EmbeddingProduct) -> ColouredProduct:
        """Give a product its colours."""
        scores, shares = principal_components(product.embeddings)
        return cls(product, components_to_rgb(scores), shares, product.column("site").astype(str))

    def picture(self, ids: list[str], rows: NDArray[Any], columns: NDArray[Any]) -> Picture | None:
        """Picture some chips, one pixel each; None where the product has none of them."""
        colour_of = dict(zip(self.product.table["id"].to_pylist(), self.colours, strict=True))
        picture = np.full((int(rows.max()) + 1, int(columns.max()) + 1, 3), MISSING, np.uint8)
        for name, row, col in zip(ids, rows, columns, strict=True):
            picture[row, col] = colour_of.get(name, MISSING)
        return picture if any(name in colour_of for name in ids) else None

    @property
    def sentence(self) -> str:
        """How much of the embeddings' variance the colours show."""
        first, second, third = (number(100 * share, 2) for share in self.shares)
        return (
            f"Red, green and blue are the first three principal components of all {len(self.product):,} embeddings, "
            f"which hold {first}, {second} and {third} % of their variance. Similar colours mean similar embeddings, "
            "across all sites."
        )


def _hex(colour: NDArray[Any]) -> str:
    """Return a colour as HTML writes it."""
    return "#" + "".join(f"{int(value):02x}" for value in colour)


def _degrees(value: float, axis: str, digits: int) -> str:
    """Return a longitude (axis ``EW``) or latitude (``NS``) as a reader writes it."""
    if round(abs(value), 6) == 0:
        return "0\u00b0"
    return f"{abs(value):.{digits}f}\u00b0{axis[0] if value >= 0 else axis[1]}"


def overview_map(product: ColouredProduct) -> tuple[Markup, str]:
    """Draw all sites by longitude and latitude, each in the mean colour of its chips; return it with its caption."""
    names, code = np.unique(product.sites, return_inverse=True)
    count = np.bincount(code)
    lon, lat = (np.bincount(code, product.product.column(axis)) / count for axis in ("lon", "lat"))
    colours = np.stack([np.bincount(code, product.colours[:, band]) / count for band in range(3)], axis=1)
    span = max(np.ptp(lon), np.ptp(lat), 0.05)
    pad = 0.08 * span
    west, east = max(-180.0, lon.min() - pad), min(180.0, lon.max() + pad)
    south, north = max(-90.0, lat.min() - pad), min(90.0, lat.max() + pad)
    stretch = 1.0 / max(0.2, float(np.cos(np.radians(np.clip(lat.mean(), -80, 80)))))
    left, top, bottom, right = 52.0, 8.0, 36.0, 12.0
    inner = WIDTH - left - right
    height = float(np.clip(inner * (north - south) / (east - west) * stretch, 110.0, 400.0))

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x - west) / (east - west) * inner, top + (north - y) / (north - south) * height

    parts = []
    digits = max(0, int(np.ceil(-np.log10(span / 5.0))) if span < 5 else 0)
    for mark in (m for m in ticks(west, east, 5) if west <= m <= east):
        x, _ = at(mark, north)
        parts.append(element("path", class_="axis", d=f"M{x:.1f} {top:g}v{height:.1f}"))
        parts.append(element("text", _degrees(mark, "EW", digits), x=x, y=top + height + 16, text_anchor="middle"))
    for mark in (m for m in ticks(south, north, 5) if south <= m <= north):
        _, y = at(west, mark)
        parts.append(element("path", class_="axis", d=f"M{left:g} {y:.1f}h{inner:.1f}"))
        parts.append(element("text", _degrees(mark, "NS", digits), x=left - 6, y=y + 4, text_anchor="end"))
    for name, x, y, colour, n in zip(names, lon, lat, colours, count, strict=True):
        px, py = at(float(x), float(y))
        about = element("title", f"{name}: {n} chips")
        ink = {"fill": _hex(colour), "stroke": "var(--ink)"}
        parts.append(element("circle", about, cx=px, cy=py, r=7, **ink))
    label = f"Map of {len(names)} sites by longitude and latitude, coloured by their mean embedding"
    drawn = svg(WIDTH, round(top + height + bottom), label, parts)
    return drawn, f"{len(names)} sites; each dot has the mean colour of its chips."


def site_maps(product: ColouredProduct, count: int) -> list[tuple[Markup, str]]:
    """Draw sites, each with its chips at their longitude and latitude in the colours of their embeddings.

    Of several dates the one with most chips is drawn; of many sites ``count``, evenly spread over their names.
    """
    names = np.unique(product.sites)
    if len(names) > count:
        names = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return [_site(product, str(name), np.flatnonzero(product.sites == name)) for name in names]


def _site(product: ColouredProduct, name: str, rows: NDArray[np.int64]) -> tuple[Markup, str]:
    import shapely

    table = product.product.table
    scenes = product.product.column("scene_id")[rows].astype(str)
    found, counts = np.unique(scenes, return_counts=True)
    rows = rows[scenes == found[np.argmax(counts)]]
    shapes = shapely.from_wkb(table["geometry"].take(rows).to_numpy(zero_copy_only=False))
    west, south, east, north = shapely.total_bounds(shapes)
    squeeze = float(np.cos(np.radians((south + north) / 2)))
    size = max((east - west) * squeeze, north - south)
    scale = 120.0 / size
    width, height = (round(length * scale) for length in ((east - west) * squeeze, north - south))
    parts = []
    for shape, row in zip(shapes, rows, strict=True):
        xy = np.asarray(shape.exterior.coords)[:-1]
        points = np.round(np.stack([(xy[:, 0] - west) * squeeze, north - xy[:, 1]], axis=1) * scale, 1)
        steps = "L".join(f"{x:g} {y:g}" for x, y in points)
        parts.append(element("path", d=f"M{steps}z", fill=_hex(product.colours[row])))
    digits = 2 if size > 0.02 else 3
    low, high = (_degrees(value, "EW", digits) for value in (west, east))
    bottom, top = (_degrees(value, "NS", digits) for value in (south, north))
    upright, end = {"x": -4, "transform": f"rotate(-90 -4 {height})"}, {"text_anchor": "end"}
    parts += [
        element("text", low, x=0, y=height + 13, font_size=10),
        element("text", high, x=width, y=height + 13, font_size=10, **end),
        element("text", bottom, y=height, font_size=10, **upright),
        element("text", top, x=-4, y=0, font_size=10, transform="rotate(-90 -4 0)", **end),
    ]
    moment = table["datetime"][int(rows[0])].as_py()
    about = f"{len(rows)} chips of {name} at their longitude and latitude, coloured by embedding"
    drawn = svg(140, height + 20, about, parts, left=-16, top=-2)
    return drawn, f"{name}, {f'{moment:%Y-%m-%d}' if moment else 'no date'}"
