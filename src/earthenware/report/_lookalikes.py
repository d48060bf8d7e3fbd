"""Chips and their nearest neighbours, as the model sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earthenware.chips import ChipStore
from earthenware.metrics import nearest_neighbours
from earthenware.pages import chip_thumbnails, number
from earthenware.report._maps import ColouredProduct

NEIGHBOURS = 5
THUMBNAIL = 64
"""Longest edge of a picture in pixels where the product has none."""


@dataclass(frozen=True)
class Cell:
    """A chip beside its neighbours: the query, or how far from it; the picture is a small JPEG in true colour."""

    what: str
    id: str
    site: str
    date: str
    picture: bytes | None


def lookalikes(store: ChipStore, product: ColouredProduct, count: int, seed: int) -> list[tuple[str, list[Cell]]]:
    """Find chips of held-out sites, each with its five nearest neighbours anywhere and at other sites.

    Each row is a title, and the chip with its neighbours.
    """
    found = []
    vectors = product.product.embeddings
    for row in _choose(store, product, count, seed):
        for title, other in (("Nearest of all", False), ("Nearest at other sites", True)):
            excluded = np.zeros((1, len(vectors)), bool)
            excluded[0, row] = True
            if other:
                excluded |= product.sites == product.sites[row]
            indices, distances = nearest_neighbours(
                vectors[[row]], vectors, min(NEIGHBOURS, len(vectors)), excluded=excluded
            )
            pairs = [(int(i), float(d)) for i, d in zip(indices[0], distances[0], strict=True) if i >= 0]
            if pairs:
                cells = [_cell(store, product, i, f"distance {number(d, 2)}") for i, d in pairs]
                found.append((title, [_cell(store, product, row, "query"), *cells]))
    return found


def _choose(store: ChipStore, product: ColouredProduct, count: int, seed: int) -> list[int]:
    """Choose whole chips of different land cover and site, held-out ones first."""
    ids = product.product.column("id").astype(str)
    cover = dict(zip(store.index["chip_id"].to_pylist(), store.index["land_cover"].to_pylist(), strict=True))
    labels = np.array([str(cover.get(name)) for name in ids])
    whole = np.nan_to_num(product.product.column("valid_fraction").astype(np.float64)) < 0.99
    trained = product.product.column("split").astype(str) != "validation"
    order = np.lexsort((np.random.default_rng([seed, 2]).random(len(ids)), trained, whole))
    chosen: list[int] = []
    for fresh in (True, False):
        for row in order:
            if len(chosen) == count:
                return chosen
            taken = [(labels[c], product.sites[c]) for c in chosen]
            new = all(labels[row] != label and product.sites[row] != site for label, site in taken)
            if row not in chosen and (new or not fresh):
                chosen.append(int(row))
    return chosen


def _cell(store: ChipStore, product: ColouredProduct, row: int, what: str) -> Cell:
    table = product.product.table
    names = ["id", "site", "datetime", *(["thumbnail"] if "thumbnail" in table.schema.names else [])]
    record = table.select(names).slice(row, 1).to_pylist()[0]
    picture = record.get("thumbnail")
    if picture is None:
        chip = np.flatnonzero(store.column("chip_id") == record["id"])
        picture = chip_thumbnails(store, chip[:1], THUMBNAIL)[0] if len(chip) else None
    moment = record["datetime"]
    date = f"{moment:%Y-%m-%d}" if moment else "no date"
    return Cell(what, record["id"], record["site"] or "unknown site", date, picture)
