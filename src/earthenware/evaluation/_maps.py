"""Maps of embeddings: one over all places, and one of each place where they lie far apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.evaluation._html import escape, figure, number
from earthenware.evaluation._product import ProductView
from earthenware.pages import Picture, ticks

WIDTH = 460.0


def _hex(colour: NDArray[Any]) -> str:
    return "#" + "".join(f"{int(value):02x}" for value in colour)


def _degrees(value: float, positive: str, negative: str, digits: int) -> str:
    if round(abs(value), 6) == 0:
        return "0\u00b0"
    return f"{abs(value):.{digits}f}\u00b0{positive if value >= 0 else negative}"


def cube_colours(product: ProductView, ids: list[str], rows: NDArray[Any], columns: NDArray[Any]) -> Picture | None:
    """Picture the embeddings of a datacube's chips, one pixel each; None where the product has none of them."""
    of_chip = {name: row for row, name in enumerate(product.table["id"].to_pylist())}
    picture = np.full((int(rows.max()) + 1, int(columns.max()) + 1, 3), 205, np.uint8)
    known = False
    for name, row, column in zip(ids, rows, columns, strict=True):
        if name in of_chip:
            picture[row, column] = product.colours[of_chip[name]]
            known = True
    return picture if known else None


def overview_map(product: ProductView) -> str:
    """Draw all places by longitude and latitude, each in the mean colour of its chips."""
    sites = product.column("site").astype(str)
    names, code = np.unique(sites, return_inverse=True)
    count = np.bincount(code)
    lon, lat = (np.bincount(code, product.column(axis)) / count for axis in ("lon", "lat"))
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
        parts.append(f'<path class="axis" d="M{x:.1f} {top:g}v{height:.1f}"/>')
        text = _degrees(mark, "E", "W", digits)
        parts.append(f'<text x="{x:.1f}" y="{top + height + 16:.1f}" text-anchor="middle">{text}</text>')
    for mark in (m for m in ticks(south, north, 5) if south <= m <= north):
        _, y = at(west, mark)
        parts.append(f'<path class="axis" d="M{left:g} {y:.1f}h{inner:.1f}"/>')
        parts.append(
            f'<text x="{left - 6:g}" y="{y + 4:.1f}" text-anchor="end">{_degrees(mark, "N", "S", digits)}</text>'
        )
    for name, x, y, colour, n in zip(names, lon, lat, colours, count, strict=True):
        px, py = at(float(x), float(y))
        parts.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="7" fill="{_hex(colour)}" stroke="var(--ink)" stroke-width="1">'
            f"<title>{escape(str(name))}: {n} chips</title></circle>"
        )
    label = f"Map of {len(names)} places by longitude and latitude, coloured by their mean embedding"
    view = f"0 0 {WIDTH:g} {top + height + bottom:.0f}"
    svg = f'<svg viewBox="{view}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return figure(svg, f"{len(names)} places; each dot has the mean colour of its chips.")


def embedding_maps(product: ProductView, count: int) -> str:
    """Draw places, each with its chips at their longitude and latitude in the colours of their embeddings.

    Of several dates the one with most chips is drawn.

    Args:
        product: The embeddings.
        count: At most so many places, evenly drawn from all in the order of their names.
    """
    sites = product.column("site").astype(str)
    names = np.unique(sites)
    if len(names) > count:
        names = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return "".join(_place(product, str(name), np.flatnonzero(sites == name)) for name in names)


def _place(product: ProductView, name: str, rows: NDArray[np.int64]) -> str:
    import shapely

    scenes = product.column("scene_id")[rows].astype(str)
    found, counts = np.unique(scenes, return_counts=True)
    rows = rows[scenes == found[np.argmax(counts)]]
    shapes = shapely.from_wkb(product.table["geometry"].take(rows).to_numpy(zero_copy_only=False))
    west, south, east, north = shapely.total_bounds(shapes)
    squeeze = float(np.cos(np.radians((south + north) / 2)))
    size = max((east - west) * squeeze, north - south)
    scale = 120.0 / size
    width, height = (east - west) * squeeze * scale, (north - south) * scale
    paths = []
    for shape, row in zip(shapes, rows, strict=True):
        xy = np.asarray(shape.exterior.coords)[:-1]
        points = np.round(np.stack([(xy[:, 0] - west) * squeeze, north - xy[:, 1]], axis=1) * scale, 1)
        steps = "L".join(f"{x:g} {y:g}" for x, y in points)
        paths.append(f'<path d="M{steps}z" fill="{_hex(product.colours[row])}"/>')
    digits = 2 if size > 0.02 else 3
    low, high = (_degrees(value, "E", "W", digits) for value in (west, east))
    bottom, top = (_degrees(value, "N", "S", digits) for value in (south, north))
    moment = product.table["datetime"][int(rows[0])].as_py()
    date = f"{moment:%Y-%m-%d}" if moment else "no date"
    labels = (
        f'<text x="0" y="{height + 13:.0f}" font-size="10">{low}</text>'
        f'<text x="{width:.0f}" y="{height + 13:.0f}" font-size="10" text-anchor="end">{high}</text>'
        f'<text x="-4" y="{height:.0f}" font-size="10" transform="rotate(-90 -4 {height:.0f})">{bottom}</text>'
        f'<text x="-4" y="0" font-size="10" text-anchor="end" transform="rotate(-90 -4 0)">{top}</text>'
    )
    about = f"{len(rows)} chips of {escape(name)} at their longitude and latitude, coloured by embedding"
    svg = f'<svg viewBox="-16 -2 140 {height + 20:.0f}" role="img" aria-label="{about}">{"".join(paths)}{labels}</svg>'
    return figure(svg, f"{name}, {date}")


def variance_sentence(product: ProductView) -> str:
    """Say how much of the embeddings' variance the colours show."""
    held = " and ".join(
        [", ".join(number(100 * share, 2) for share in product.shares[:2]), number(100 * product.shares[2], 2)]
    )
    return (
        f"Red, green and blue are the first three principal components of all {len(product.vectors):,} embeddings, "
        f"which hold {held} % of their variance. Similar colours mean similar embeddings, across all places."
    )
