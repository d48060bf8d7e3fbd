"""Which chips an evaluation looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.products import Labelled

HELD_OUT = "validation"


@dataclass(frozen=True)
class LabelledChips:
    """Chips with a land-cover class.

    Attributes:
        indices: Chip numbers `[chip]`.
        labels: WorldCover codes `[chip]`.
        sites: Their sites `[chip]`.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    sites: NDArray[Any]

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, rows: NDArray[Any]) -> LabelledChips:
        """Return some of the chips (positions or a bool mask)."""
        return LabelledChips(self.indices[rows], self.labels[rows], self.sites[rows])

    def summary(self) -> Labelled:
        """Return counts of chips, sites and classes."""
        codes, counts = np.unique(self.labels, return_counts=True)
        classes = {str(int(code)): int(count) for code, count in zip(codes, counts, strict=True)}
        return Labelled(chips=len(self), sites=len(np.unique(self.sites)), classes=classes)


def draw(indices: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Draw at most ``count`` chips without replacement and return them in their order."""
    if len(indices) <= count:
        return indices
    return np.sort(np.random.default_rng(seed).choice(indices, count, replace=False))


def held_out_chips(store: ChipStore) -> tuple[NDArray[np.int64], str]:
    """Return the chips of sites that training did not see, and their split; all chips where there are none."""
    splits = store.column("split")
    found = np.flatnonzero(splits == HELD_OUT)
    return (found, HELD_OUT) if len(found) else (np.arange(len(store)), "all")


def labelled_chips(store: ChipStore, split: str, least: float, count: int, seed: int) -> LabelledChips:
    """Draw at most ``count`` chips of a split whose land-cover class holds at least the fraction ``least`` of them."""
    import pyarrow.compute as pc

    cover = np.asarray(pc.fill_null(store.index["land_cover"], -1).to_numpy(), np.int64)
    fraction = np.asarray(pc.fill_null(store.index["land_cover_fraction"], 0.0).to_numpy(), np.float64)
    good = np.flatnonzero((store.column("split") == split) & (cover >= 0) & (fraction >= least))
    indices = draw(good, count, seed)
    return LabelledChips(indices, cover[indices], store.column("site")[indices])
