"""Chips and their nearest neighbours, as the model sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.evaluation._html import escape, image, number
from earthenware.evaluation._product import ProductView
from earthenware.metrics import nearest_neighbours
from earthenware.pages import encode_jpeg, shade_true_colour
from earthenware.sensors import S2

NEIGHBOURS = 5


def lookalikes(store: ChipStore, product: ProductView, count: int, seed: int) -> str:
    """Show chips of held-out places, each with its five nearest neighbours anywhere and in other places.

    Args:
        store: The chips, for what the product does not hold.
        product: The embeddings.
        count: Number of chips.
        seed: Seed of the choice.
    """
    blocks = []
    sites = product.column("site").astype(str)
    for row in _choose(store, product, count, seed):
        for title, other in (("Nearest of all", False), ("Nearest in other places", True)):
            excluded = np.zeros((1, len(product.vectors)), bool)
            excluded[0, row] = True
            if other:
                excluded |= sites == sites[row]
            wanted = min(NEIGHBOURS, len(product.vectors))
            found = nearest_neighbours(product.vectors[[row]], product.vectors, wanted, excluded=excluded)
            pairs = [(int(i), float(d)) for i, d in zip(found[0][0], found[1][0], strict=True) if i >= 0]
            if not pairs:
                continue
            cells = [_cell(store, product, row, None), *(_cell(store, product, i, d) for i, d in pairs)]
            blocks.append(f'<h3>{title}</h3><div class="six px">{"".join(cells)}</div>')
    return "".join(blocks)


def _choose(store: ChipStore, product: ProductView, count: int, seed: int) -> list[int]:
    """Choose whole chips of different land cover and place, held-out ones first."""
    ids = product.column("id").astype(str)
    cover = dict(zip(store.index["chip_id"].to_pylist(), store.index["land_cover"].to_pylist(), strict=True))
    labels = np.array([str(cover.get(name)) for name in ids])
    whole = np.nan_to_num(product.column("valid_fraction").astype(np.float64)) < 0.99
    trained = product.column("split").astype(str) != "validation"
    order = np.lexsort((np.random.default_rng([seed, 2]).random(len(ids)), trained, whole))
    chosen: list[int] = []
    sites = product.column("site").astype(str)
    for fresh in (True, False):
        for row in order:
            if len(chosen) == count:
                return chosen
            taken = [(labels[c], sites[c]) for c in chosen]
            new = all(labels[row] != label and sites[row] != site for label, site in taken)
            if row not in chosen and (new or not fresh):
                chosen.append(int(row))
    return chosen


def _picture(store: ChipStore, product: ProductView, row: int) -> bytes | None:
    if "thumbnail" in product.table.schema.names:
        held = product.table["thumbnail"][row].as_py()
        if held is not None:
            return bytes(held)
    ids: NDArray[np.str_] = np.asarray(store.index["chip_id"].to_numpy(zero_copy_only=False)).astype(str)
    chips = np.flatnonzero(ids == product.table["id"][row].as_py())
    if S2.id not in store.sensors or not len(chips) or not store.present(S2.id)[chips[0]]:
        return None
    bands = store.sensors[S2.id].bands
    values, _ = store.read(S2.id, int(chips[0]))
    return encode_jpeg(shade_true_colour(values[[bands.index(band) for band in ("B04", "B03", "B02")]]), 85, 64)


def _cell(store: ChipStore, product: ProductView, row: int, distance: float | None) -> str:
    site = product.table["site"][row].as_py() or "unknown place"
    moment = product.table["datetime"][row].as_py()
    date = f"{moment:%Y-%m-%d}" if moment else "no date"
    data = _picture(store, product, row)
    what = "query" if distance is None else f"distance {number(distance, 2)}"
    alt = f"True colour of chip {product.table['id'][row].as_py()}, {what}"
    shown = image(data, alt) if data is not None else "<p>no optical image</p>"
    return f"<figure>{shown}<figcaption><strong>{what}</strong><br>{escape(str(site))}<br>{date}</figcaption></figure>"
