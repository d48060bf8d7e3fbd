"""Chips read one by one at random: our chip store against the field's one compressed npz per chip.

The baseline is what Clay's pipeline feeds its training with: ``numpy.savez_compressed`` of the same stored values. Both
return the same int16 pixels and uint8 masks, of the same chips in the same order, in interleaved rounds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import Claim, write
from earthenware.catalog import QuerySpec, query
from earthenware.chips import ChipStore
from earthenware.datacube import BuildSpec, build
from earthenware.sandbox import SandboxSpec, make_sandbox

ROUNDS = 7
CHIPS = 200


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = make_sandbox(SandboxSpec(places=4, dates=2, size=512), f"{folder}/sandbox")
        scenes = query(QuerySpec(catalog=sandbox.catalog), f"{folder}/scenes")
        store = ChipStore.open(build(BuildSpec(workers=2), scenes.output, f"{folder}/chips").output)
        sensors = list(store.sensors)
        order = np.random.default_rng(0).permutation(len(store))[:CHIPS].tolist()
        files = Path(folder) / "npz"
        files.mkdir()
        for i in order:
            arrays: dict[str, Any] = {name: store.read_stored(name, i) for name in sensors}
            arrays |= {f"{name}_mask": store.read_mask(name, i) for name in sensors}
            np.savez_compressed(files / f"{i}.npz", **arrays)

        def from_store() -> None:
            for i in order:
                for name in sensors:
                    store.read_stored(name, i)
                    store.read_mask(name, i)

        def from_npz() -> None:
            for i in order:
                with np.load(files / f"{i}.npz", allow_pickle=False) as chip:
                    for name in chip.files:
                        chip[name]

        ratios = [_seconds(from_npz) / _seconds(from_store) for _ in range(ROUNDS)]
    write(
        "chip_reading", [Claim("chips read at random, chip store : npz per chip", statistics.median(ratios), "x", 1.0)]
    )


def _seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
