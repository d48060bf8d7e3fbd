"""Search: the chips whose vectors are nearest to a given chip's, exactly."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from posixpath import commonprefix
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.metrics import nearest_neighbours
from earthenware.products import EmbeddingProduct

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""


@dataclass(frozen=True)
class Match:
    """One chip of a product: its row, place in degrees and time in UTC.

    Attributes:
        distance: Cosine distance to the query, 0 to 2; 0 for the query itself.
        valid_fraction: Fraction of its pixels that the model saw.
        thumbnail: A JPEG, or None where the product has no thumbnails.
    """

    id: str
    distance: float
    lon: float
    lat: float
    datetime: datetime | None
    site: str | None
    split: str | None
    scene_id: str | None
    valid_fraction: float | None
    thumbnail: bytes | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are text or numbers."""
        values = asdict(self)
        del values["thumbnail"]
        return values | {"datetime": None if self.datetime is None else self.datetime.isoformat()}


@dataclass(frozen=True)
class SearchResult:
    """A query and its nearest neighbours.

    Attributes:
        query: The chip that was asked for.
        neighbours: The nearest other chips, nearest first.
        distance_km: Distance from the given position to the query chip's centre; None for a search by id.
        rows: Number of chips that were searched.
    """

    query: Match
    neighbours: tuple[Match, ...]
    distance_km: float | None
    rows: int

    def __iter__(self) -> Iterator[Match]:
        return iter(self.neighbours)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the thumbnails."""
        return {
            "query": self.query.to_json(),
            "neighbours": [match.to_json() for match in self.neighbours],
            "distance_km": self.distance_km,
            "rows": self.rows,
        }


def search(
    product: str | EmbeddingProduct,
    *,
    chip_id: str | None = None,
    lonlat: tuple[float, float] | None = None,
    k: int = 5,
    other_sites: bool = False,
) -> SearchResult:
    """Find the k chips that look most like a given one to the model.

    Args:
        product: URI of an embed step's output or of one Parquet file, or a product that is open already.
        chip_id: Id of the chip to start from.
        lonlat: Or a longitude and a latitude in degrees: the chip there is taken, the newest of several.
        k: Number of neighbours; fewer are returned where the product has no more.
        other_sites: Leave out chips of the query's own site, which look alike for a dull reason.

    Returns:
        The query chip and its neighbours under the cosine distance, exact; equal distances in the product's order.

    Raises:
        EarthenwareError: ``BAD_QUERY`` when not exactly one of ``chip_id`` and ``lonlat`` is given or a value is out
            of range, ``UNKNOWN_CHIP``, ``OUTSIDE_PRODUCT`` when no chip lies at ``lonlat``, or what
            :meth:`EmbeddingProduct.open` raises.
    """
    if (chip_id is None) == (lonlat is None):
        raise EarthenwareError("BAD_QUERY", "Give either a chip id or a longitude and latitude to search from.")
    if k < 1:
        raise EarthenwareError("BAD_QUERY", f"k must be at least 1, got {k}.")
    opened = product if isinstance(product, EmbeddingProduct) else EmbeddingProduct.open(product)
    distance_km = None
    if chip_id is not None:
        row = _row_of(opened, chip_id)
    else:
        assert lonlat is not None
        row, distance_km = _row_at(opened, lonlat)
    excluded = np.zeros((1, len(opened)), bool)
    excluded[0, row] = True
    if other_sites:
        sites = opened.column("site")
        excluded[0] |= sites == sites[row]
    query = opened.embeddings[row : row + 1]
    indices, distances = nearest_neighbours(query, opened.embeddings, min(k, len(opened)), excluded=excluded)
    found = [(int(i), float(d)) for i, d in zip(indices[0], distances[0], strict=True) if i >= 0]
    matches = _matches(opened, [(row, 0.0), *found])
    return SearchResult(matches[0], tuple(matches[1:]), distance_km, len(opened))


def _row_of(product: EmbeddingProduct, chip_id: str) -> int:
    ids = product.column("id")
    rows = np.flatnonzero(ids == chip_id)
    if len(rows):
        return int(rows[0])
    # difflib is slow on a long list: those that begin alike are enough to suggest from.
    shared = sorted(ids.tolist(), key=lambda known: -len(commonprefix([known, chip_id])))[:500]
    close = difflib.get_close_matches(chip_id, shared, n=1, cutoff=0.0)
    raise EarthenwareError(
        "UNKNOWN_CHIP",
        f"The product '{storage.redact(product.uri)}' has no chip '{chip_id}'.",
        f"The nearest id is '{close[0]}'." if close else "",
    )


def _row_at(product: EmbeddingProduct, lonlat: tuple[float, float]) -> tuple[int, float]:
    lon, lat = lonlat
    if not (math.isfinite(lon) and math.isfinite(lat) and -180 <= lon <= 180 and -90 <= lat <= 90):
        message = f"({lon}, {lat}) is no position: longitude runs from -180 to 180 and latitude from -90 to 90."
        raise EarthenwareError("BAD_QUERY", message, "Give the longitude first.")
    import shapely

    distance = great_circle_km(lon, lat, product.column("lon"), product.column("lat"))
    box = product.table["bbox"].combine_chunks()
    edges = [np.asarray(box.field(edge)) for edge in ("xmin", "xmax", "ymin", "ymax")]
    near = np.flatnonzero((edges[0] <= lon) & (lon <= edges[1]) & (edges[2] <= lat) & (lat <= edges[3]))
    shapes = shapely.from_wkb(product.table["geometry"].take(near).to_numpy())
    inside = near[shapely.intersects_xy(shapes, lon, lat)] if len(near) else near
    if not len(inside):
        nearest = int(np.argmin(distance))
        raise EarthenwareError(
            "OUTSIDE_PRODUCT",
            f"No chip of the product lies at longitude {lon:g}, latitude {lat:g}; the nearest, "
            f"'{product.table['id'][nearest]}', is {distance[nearest]:.1f} km away.",
            f"Its centre is at {product.table['lon'][nearest].as_py():.5f}, "
            f"{product.table['lat'][nearest].as_py():.5f}.",
        )
    times = product.table["datetime"].to_pylist()

    def near_and_new(row: int) -> tuple[float, float]:
        return -round(float(distance[row]), 3), times[row].timestamp() if times[row] else -math.inf

    chosen = max(inside.tolist(), key=near_and_new)
    return chosen, float(distance[chosen])


def great_circle_km(lon: float, lat: float, lons: NDArray[Any], lats: NDArray[Any]) -> NDArray[np.float64]:
    """Distance on a sphere from one position to many, all in degrees, in km (haversine)."""
    one, many = np.radians(lat), np.radians(np.asarray(lats, np.float64))
    half = np.sin((many - one) / 2) ** 2
    half += np.cos(one) * np.cos(many) * np.sin(np.radians(np.asarray(lons, np.float64) - lon) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def _matches(product: EmbeddingProduct, rows: list[tuple[int, float]]) -> list[Match]:
    plain = ["id", "lon", "lat", "datetime", "site", "split", "scene_id", "valid_fraction"]
    names = [*plain, *(["thumbnail"] if "thumbnail" in product.table.schema.names else [])]
    records = product.table.select(names).take([row for row, _ in rows]).to_pylist()
    return [
        Match(**{"thumbnail": None, **record}, distance=distance)
        for record, (_, distance) in zip(records, rows, strict=True)
    ]
