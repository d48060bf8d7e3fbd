"""Reading a sample of the chips once, and everything that is measured on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import chip_digest, column
from earthenware.errors import EarthenwareError
from earthenware.sensors import SENSORS
from earthenware.validation._measure import (
    colour_bands,
    measure_bands,
    measure_chips,
    plausible_range,
    vegetation_means,
)
from earthenware.validation._offsets import Evidence, EvidenceGatherer, offset_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from earthenware.chips import ChipStore, SensorLayout

_BLOCK: Final = 2**20  # pixels in memory at once, in each of some 14 bands: 30 MB, or 256 chips of 64 x 64


@dataclass
class Examination:
    """What was measured, as lists of blocks of columns that are to be joined.

    Attributes:
        digests: Per chip: its id, whether it could be read, and its recorded and computed digests.
        images: Per chip and sensor: agreement of mask and pixels, and nodata fractions.
        bands: Per chip, sensor and band: valid pixels, sums, extremes, implausible pixels.
        vegetation: Per chip: red and near infrared over vegetation.
        evidence: Sensor -> scene -> what its stored pixels say about an offset.
    """

    digests: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    bands: list[dict[str, Any]] = field(default_factory=list)
    vegetation: list[dict[str, Any]] = field(default_factory=list)
    evidence: dict[str, dict[str, Evidence]] = field(default_factory=dict)


def draw(scenes: NDArray[Any], limit: int, seed: int) -> NDArray[np.int64]:
    """Choose ``limit`` chips (0 for all) evenly over the scenes; return their numbers, those of one scene together."""
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
    identifiers, scenes, recorded = (store.column(name).astype(str) for name in ("chip_id", "scene_id", "digest"))
    result = Examination()
    rules = {sensor: offset_rule(sensor) for sensor in store.sensors}
    gatherers = {name: EvidenceGatherer(rule, store.sensors[name].bands) for name, rule in rules.items() if rule}
    labels = [name for name in store.sensors if name in SENSORS and SENSORS[name].legend]
    size = max(1, _BLOCK // store.chip_size**2)
    for start in range(0, len(chosen), size):
        block = chosen[start : start + size]
        problems: dict[int, str] = {}

        def note(place: int, error: EarthenwareError, found: dict[int, str] = problems) -> None:
            found[place] = error.message

        arrays = store.read_batch(list(store.sensors), block, damaged=note)
        readable = np.array([place not in problems for place in range(len(block))])
        has = {sensor: store.present(sensor)[block] & readable for sensor in store.sensors}
        computed = []
        for place in range(len(block)):
            own = {name: (pair.pixels[place], pair.mask[place]) for name, pair in arrays.items() if has[name][place]}
            computed.append(chip_digest(own) if readable[place] else "")
        result.digests.append(
            {
                "chip_id": identifiers[block],
                "readable": readable,
                "problem": [problems.get(place, "") for place in range(len(block))],
                "recorded": recorded[block],
                "computed": computed,
            }
        )
        for sensor, layout in store.sensors.items():
            rows = np.flatnonzero(has[sensor])
            if not len(rows):
                continue
            chips = block[rows]
            pixels, mask = arrays[sensor].pixels[rows], arrays[sensor].mask[rows]
            stated = store.column(column(sensor, "nodata_fraction"))[chips]
            names = {"chip_id": identifiers[chips], "scene_id": scenes[chips], "sensor": sensor, "kind": layout.kind}
            _measure(result, layout, pixels, mask, stated, names)
            if sensor in gatherers:
                applied = store.index[column(sensor, "offset_applied")].fill_null(0).to_numpy()[chips]
                gatherers[sensor].add(scenes[chips], applied.astype(np.int32), pixels, mask)
            if labels and colour_bands(layout):
                # A chip without labels holds nodata there, under which nothing grows.
                means = vegetation_means(layout, pixels, mask, arrays[labels[0]].pixels[rows, 0])
                result.vegetation.append({"sensor": sensor, "scene_id": scenes[chips], **means})
        progress(min(start + size, len(chosen)), len(chosen))
    for sensor, gatherer in gatherers.items():
        gatherer.finish()
        result.evidence[sensor] = gatherer.evidence
    return result


def _measure(
    result: Examination,
    layout: SensorLayout,
    pixels: NDArray[np.int16],
    mask: NDArray[np.uint8],
    stated: NDArray[np.float64],
    names: dict[str, Any],
) -> None:
    """Measure chips of a sensor, whose nodata fractions the index states and whose identities ``names`` holds."""
    result.images.append({**names, **measure_chips(layout, pixels, mask), "stated_nodata_fraction": stated})
    low, high = plausible_range(layout)
    own = {"band": np.array(layout.bands), "low": low, "high": high}
    result.bands.append(
        {
            **{key: np.repeat(np.broadcast_to(value, len(pixels)), len(low)) for key, value in names.items()},
            **{key: np.tile(value, len(pixels)) for key, value in own.items()},
            "unit": SENSORS[layout.id].unit if layout.id in SENSORS else "",
            **{key: value.ravel() for key, value in measure_bands(layout, pixels, mask).items()},
        }
    )
