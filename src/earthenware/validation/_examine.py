"""Reading a sample of the chips once, and everything that is measured on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import chip_digest, column
from earthenware.errors import EarthenwareError
from earthenware.sensors import OffsetEvidence
from earthenware.validation._evidence import EvidenceGatherer
from earthenware.validation._measure import measure_bands, measure_chips, vegetation_means

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from earthenware.chips import ChipStore

OPTICAL: Final = "sentinel-2-l2a"
RADAR: Final = "sentinel-1-rtc"
LAND_COVER: Final = "land-cover"

_BLOCK: Final = 2**20  # pixels in memory at once, in each of some 14 bands: 30 MB, or 256 chips of 64 x 64

Loaded = dict[str, tuple["NDArray[np.int16]", "NDArray[np.uint8]"]]
"""Sensor -> stored pixels `[band, y, x]` and flags `[y, x]` of one chip, for the sensors that it has."""


@dataclass
class Examination:
    """What was measured, as lists of column blocks that :meth:`table` joins.

    Attributes:
        digests: Per chip: its id, whether it could be read, and its recorded and computed digests.
        images: Per chip and sensor: agreement of mask and pixels, and nodata fractions.
        bands: Per chip, sensor and band: valid pixels, sums, extremes, implausible pixels.
        vegetation: Per chip: red and near infrared over vegetation.
        evidence: Scene -> what its stored optical pixels say about an offset.
    """

    digests: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    bands: list[dict[str, Any]] = field(default_factory=list)
    vegetation: list[dict[str, Any]] = field(default_factory=list)
    evidence: dict[str, OffsetEvidence] = field(default_factory=dict)

    @staticmethod
    def table(blocks: Sequence[dict[str, Any]]) -> pd.DataFrame:
        """Join blocks of columns into one table."""
        import pandas as pd

        return pd.concat([pd.DataFrame(block) for block in blocks], ignore_index=True) if blocks else pd.DataFrame()


def draw(scenes: NDArray[Any], limit: int, seed: int) -> NDArray[np.int64]:
    """Choose chips evenly over the scenes.

    Args:
        scenes: Scene of each chip.
        limit: Number of chips to choose; 0 for all.
        seed: Of the draw.

    Returns:
        Chip numbers, those of one scene together.
    """
    shuffled = np.random.default_rng(seed).permutation(len(scenes))
    by_scene = shuffled[np.argsort(scenes[shuffled], kind="stable")]
    _, starts, sizes = np.unique(scenes[by_scene], return_index=True, return_counts=True)
    turn = np.arange(len(scenes)) - np.repeat(starts, sizes)  # the first of each scene, then the second of each ...
    order = np.argsort(turn, kind="stable")
    chosen = by_scene[order][: limit or None]
    return chosen[np.lexsort((chosen, scenes[chosen]))].astype(np.int64)


def examine(store: ChipStore, chosen: NDArray[np.int64], progress: Callable[[int, int], None]) -> Examination:
    """Read chips and measure them.

    Args:
        store: An open chip store.
        chosen: Chip numbers, those of one scene together, as :func:`draw` returns them.
        progress: Called with the number of chips done and in all.

    Returns:
        The measurements. A chip that cannot be read is reported in ``digests`` and measured no further.
    """
    identifiers, scenes, recorded = (
        store.index[name].to_numpy(zero_copy_only=False).astype(str) for name in ("chip_id", "scene_id", "digest")
    )
    result, gatherer = Examination(), EvidenceGatherer()
    size = max(1, _BLOCK // store.chip_size**2)
    for start in range(0, len(chosen), size):
        block = chosen[start : start + size]
        chips, problems = _load(store, block)
        readable = np.array([chip is not None for chip in chips])
        loaded = [chip for chip in chips if chip is not None]
        result.digests.append(
            {
                "chip_id": identifiers[block],
                "readable": readable,
                "problem": problems,
                "recorded": recorded[block],
                "computed": ["" if chip is None else chip_digest(chip) for chip in chips],
            }
        )
        _measure(result, gatherer, store, block[readable], loaded, identifiers, scenes)
        progress(min(start + size, len(chosen)), len(chosen))
    gatherer.finish()
    result.evidence = gatherer.evidence
    return result


def _load(store: ChipStore, block: NDArray[np.int64]) -> tuple[list[Loaded | None], list[str]]:
    """Return the chips of a block, None for one that cannot be read, and what is wrong with each."""
    problems = [""] * len(block)

    def note(row: int, error: EarthenwareError) -> None:
        problems[row] = error.message

    read = store.read_batch(list(store.sensors), block, damaged=note)
    chips: list[Loaded | None] = []
    for row, number in enumerate(block):
        has = {sensor: arrays for sensor, arrays in read.items() if store.present(sensor)[number]}
        chips.append(
            None if problems[row] else {sensor: (pixels[row], mask[row]) for sensor, (pixels, mask) in has.items()}
        )
    return chips, problems


def _measure(
    result: Examination,
    gatherer: EvidenceGatherer,
    store: ChipStore,
    numbers: NDArray[np.int64],
    loaded: Sequence[Loaded],
    identifiers: NDArray[Any],
    scenes: NDArray[Any],
) -> None:
    for sensor, layout in store.sensors.items():
        has = [position for position, chip in enumerate(loaded) if sensor in chip]
        if not has:
            continue
        pixels = np.stack([loaded[position][sensor][0] for position in has])
        mask = np.stack([loaded[position][sensor][1] for position in has])
        chips = numbers[has]
        names: dict[str, Any] = {
            "chip_id": identifiers[chips],
            "scene_id": scenes[chips],
            "sensor": sensor,
            "kind": layout.kind,
        }
        stated = store.index[column(sensor, "nodata_fraction")].to_numpy(zero_copy_only=False)[chips]
        result.images.append({**names, **measure_chips(layout, pixels, mask), "stated_nodata_fraction": stated})
        repeated = {
            key: np.repeat(np.broadcast_to(value, len(chips)), len(layout.bands)) for key, value in names.items()
        }
        bands = {key: value.ravel() for key, value in measure_bands(layout, pixels, mask).items()}
        result.bands.append({**repeated, "band": np.tile(np.array(layout.bands), len(chips)), **bands})
        if sensor == OPTICAL:
            offsets = store.index[column(sensor, "offset_applied")].fill_null(0).to_numpy()[chips].astype(np.int32)
            gatherer.add(scenes[chips], offsets, pixels, mask, layout.bands)
            if LAND_COVER in store.sensors:
                labelled = [position for position, chip in enumerate(has) if LAND_COVER in loaded[chip]]
                classes = [loaded[has[position]][LAND_COVER][0][0] for position in labelled]
                if labelled:
                    means = vegetation_means(layout, pixels[labelled], mask[labelled], np.stack(classes))
                    result.vegetation.append({"scene_id": scenes[chips[labelled]], **means})
