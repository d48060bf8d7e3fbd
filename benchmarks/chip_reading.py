"""Chips read at random: from files against one compressed npz per chip, from an object store against one at a time.

The npz is what Clay's pipeline feeds its training with: ``numpy.savez_compressed`` of the same stored values. All ways
return the same int16 pixels and uint8 masks of every sensor, of the same chips in the same order, in interleaved rounds
of which the median counts. The store is read as its users do, in batches of 64; npz files, and what is given as a
figure beside the claims, one chip after another. Batches fill arrays that are used again, as training's cache and every
loop over a store can; what new arrays for each batch cost stands beside it. What it costs to check each chunk's CRC-32C
is measured against the same reading without, which nothing but this benchmark does.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import google_crc32c
import numpy as np
import zarr

from benchmarks.record import Claim, write
from benchmarks.slow_s3 import slow_s3
from earthenware.catalog import QuerySpec, query
from earthenware.chips import ChipArrays, ChipStore, _shards
from earthenware.datacube import BuildSpec, build
from earthenware.sandbox import SandboxSpec, make_sandbox

ROUNDS = 9
CHIPS = 1024
BATCH = 64
LATENCY_MS = 20.0


def main() -> None:
    claims: list[Claim] = []
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        sandbox = make_sandbox(SandboxSpec(places=4, dates=2, size=1024), f"{folder}/sandbox")
        scenes = query(QuerySpec(catalog=sandbox.catalog), f"{folder}/scenes")
        for chip_size, goal in ((64, 10.0), (256, 4.0)):
            output = Path(folder) / f"chips{chip_size}"
            store = ChipStore.open(build(BuildSpec(workers=2, chip_size=chip_size), scenes.output, str(output)).output)
            rates = _local(store, output, Path(folder) / f"npz{chip_size}")
            figures |= {f"{chip_size} px, {name}": rate for name, rate in rates.items()}
            name = f"{chip_size} px, batches of {BATCH} : one npz per chip"
            claims.append(Claim(name, rates["batches"] / rates["npz"], "x", goal))
            name = f"{chip_size} px, batches with their check : without it"
            claims.append(Claim(name, rates["batches"] / rates["batches unchecked"], "x", 0.9))
            if chip_size == 64:
                rates = _remote(output, len(store))
                figures |= {f"{chip_size} px, {LATENCY_MS:g} ms away, {name}": rate for name, rate in rates.items()}
                name = f"{LATENCY_MS:g} ms away, batches of {BATCH} : one chip at a time"
                claims.append(Claim(name, rates["batches"] / rates["one at a time"], "x", 20.0))
    write("chip_reading", claims, {f"{name} (chips/s)": rate for name, rate in figures.items()})


def _local(store: ChipStore, root: Path, files: Path) -> dict[str, float]:
    """Return chips per second of each way from files."""
    sensors = list(store.sensors)
    order = np.random.default_rng(0).permutation(len(store))[: min(CHIPS, len(store)) // BATCH * BATCH]
    files.mkdir()
    for i in order:
        arrays: dict[str, Any] = {}
        for name, (pixels, mask) in store.read_batch(sensors, [i]).items():
            arrays |= {name: pixels[0], f"{name}_mask": mask[0]}
        np.savez_compressed(files / f"{i}.npz", **arrays)
    places = _places(store)
    opened = {
        (part, name, array): zarr.open_array(root / part / "pixels.zarr" / name / array, mode="r")
        for part in {part for part, _ in places}
        for name in sensors
        for array in ("pixels", "mask")
    }

    def by_zarr() -> None:
        for i in order[: CHIPS // 4]:
            part, position = places[i]
            for name in sensors:
                opened[part, name, "pixels"][position]
                opened[part, name, "mask"][position]

    def npz() -> None:
        for i in order:
            with np.load(files / f"{i}.npz", allow_pickle=False) as chip:
                for name in chip.files:
                    chip[name]

    def batches(out: dict[str, ChipArrays] | None = None) -> None:
        for start in range(0, len(order), BATCH):
            store.read_batch(sensors, order[start : start + BATCH], out=out)

    again = store.read_batch(sensors, order[:BATCH])

    def unchecked() -> None:
        with mock.patch.object(google_crc32c, "value", _whole):
            batches(again)

    def one_at_a_time() -> None:
        for i in order:
            store.read_batch(sensors, [i])

    counts = {"npz": len(order), "zarr-python": len(order[: CHIPS // 4])}
    calls: dict[str, Callable[[], None]] = {
        "npz": npz,
        "zarr-python": by_zarr,
        "batches": lambda: batches(again),
        "batches unchecked": unchecked,
        "batches in new arrays": batches,
        "one at a time": one_at_a_time,
    }
    seconds = _interleaved(calls, ROUNDS)
    return {name: counts.get(name, len(order)) / seconds[name] for name in calls}


def _whole(_: bytes) -> int:
    """Return the checksum of a chunk that is whole, whatever the chunk is."""
    return _shards._RESIDUE


def _remote(folder: Path, chips: int) -> dict[str, float]:
    """Return chips per second of each way from an object store with latency, its indexes read before."""
    with slow_s3(folder, LATENCY_MS) as endpoint:
        for name, value in (("ENDPOINT_URL", endpoint), ("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any")):
            os.environ[f"AWS_{name}"] = value
        store = ChipStore.open("s3://chips")
        sensors = list(store.sensors)
        store.read_batch(sensors, range(chips))
        random = np.random.default_rng(1)

        def batches() -> None:
            store.read_batch(sensors, random.permutation(chips)[:BATCH])

        def one_at_a_time() -> None:
            for i in random.permutation(chips)[:BATCH]:
                store.read_batch(sensors, [i])

        seconds = _interleaved({"batches": batches, "one at a time": one_at_a_time}, ROUNDS)
    return {name: BATCH / value for name, value in seconds.items()}


def _places(store: ChipStore) -> list[tuple[str, int]]:
    """Return part and position of each chip, found by its id as a reader without this package would."""
    import pyarrow.parquet as pq

    found: dict[str, tuple[str, int]] = {}
    for part in store.document.parts:
        ids: Sequence[str] = pq.read_table(f"{store.uri}/{part.path}/chips.parquet")["chip_id"].to_pylist()
        found |= {chip: (part.path, position) for position, chip in enumerate(ids)}
    return [found[chip] for chip in store.index["chip_id"].to_pylist()]


def _interleaved(calls: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each call; a first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for counted in range(-1, rounds):
        for name, call in calls.items():
            gc.collect()  # none pays for what another left behind
            start = time.perf_counter()
            call()
            if counted >= 0:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


if __name__ == "__main__":
    main()
