"""Making a sandbox, under the step contract: places in worker processes, then the catalog."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.processes import process_pool
from earthenware.sandbox._files import make_place_files
from earthenware.sandbox._spec import SandboxSpec
from earthenware.steps import Attempt, Result, run_step

ALGORITHM_VERSION: Final = 1
"""Raised when the same spec gives other pixels."""

_CATALOG: Final = "items.json"


@dataclass(frozen=True)
class SandboxSummary:
    """What a sandbox holds.

    Attributes:
        folder: Where it lies.
        catalog: Path of its STAC ItemCollection.
        places: Number of places.
        items: Number of STAC items per collection.
        files: Number of COGs.
        bytes: Size of the COGs, in bytes.
        digest: SHA-256 over all pixels; the same spec gives the same digest.
        reused: Whether the sandbox was there already.
        seconds: Time that its making took.
    """

    folder: str
    catalog: str
    places: int
    items: dict[str, int]
    files: int
    bytes: int
    digest: str
    reused: bool
    seconds: float


def make_sandbox(spec: SandboxSpec, output: str | Path) -> SandboxSummary:
    """Make a small synthetic Earth: a STAC catalog and its Cloud-Optimized GeoTIFFs.

    It is a step: a call that was cut short is taken up by the next one with the same spec, and a finished sandbox is
    left as it is. The catalog ``items.json`` is written when every file that it names is there.

    Args:
        spec: Seed and extent.
        output: Folder on this machine.

    Returns:
        What the sandbox holds.

    Raises:
        EarthenwareError: As :func:`earthenware.steps.run_step`; ``OUTPUT_DAMAGED`` when files of a finished sandbox
            are gone, ``NOT_LOCAL`` for a URL.
    """
    folder = Path(storage.local_path(storage.normalise(str(output)))).absolute()
    report = run_step(
        "sandbox",
        ALGORITHM_VERSION,
        spec=spec,
        inputs={},
        output=str(folder),
        body=lambda attempt: _make(spec, attempt),
    )
    counts, details = report.manifest.counts, report.manifest.details
    if report.reused:
        _verify(folder, counts)
    return SandboxSummary(
        folder=str(folder),
        catalog=str(folder / _CATALOG),
        places=counts["places"],
        items=details["items"],
        files=counts["files"],
        bytes=counts["bytes"],
        digest=details["pixels"],
        reused=report.reused,
        seconds=report.manifest.seconds["total"],
    )


def _make(spec: SandboxSpec, attempt: Attempt) -> Result:
    """Make the places that are not there yet, then the catalog of all."""
    folder = Path(attempt.output)
    missing = [number for number in range(spec.places) if _part(number) not in attempt.committed()]

    def commit(number: int, record: dict[str, str]) -> None:
        attempt.commit(_part(number), record)
        shutil.rmtree(folder / "parts" / _part(number), ignore_errors=True)  # killed attempts' files included
        attempt.progress(len(attempt.committed()), spec.places, "places")

    attempt.progress(spec.places - len(missing), spec.places, "places")
    work = {number: (folder, folder / attempt.part_path(_part(number)), number, spec) for number in missing}
    workers = min(spec.workers or os.cpu_count() or 1, len(missing))
    if workers <= 1:
        for number, arguments in work.items():
            commit(number, make_place_files(*arguments))
    else:
        with process_pool(workers) as pool:
            tasks = {pool.submit(make_place_files, *arguments): number for number, arguments in work.items()}
            for task in as_completed(tasks):
                commit(tasks[task], task.result())
    records = [attempt.committed()[_part(number)] for number in range(spec.places)]
    items = [item for record in records for item in json.loads(record["items"])]
    items.sort(key=lambda item: (item["collection"], item["id"]))
    attempt.put(_CATALOG, json.dumps({"type": "FeatureCollection", "features": items}, indent=1).encode())
    files, size = _total(folder, items)
    digest = hashlib.sha256("".join(record["digest"] for record in records).encode()).hexdigest()
    return Result(
        counts={"places": spec.places, "files": files, "bytes": size},
        details={"items": Counter(item["collection"] for item in items), "pixels": digest},
        content=digest,
    )


def _part(number: int) -> str:
    return f"place-{number:03d}"


def _total(folder: Path, items: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Return the number and the bytes of all files that items name."""
    sizes = [(folder / asset["href"]).stat().st_size for item in items for asset in item["assets"].values()]
    return len(sizes), sum(sizes)


def _verify(folder: Path, counts: dict[str, int]) -> None:
    """Fail where files of a finished sandbox are gone or others."""
    try:
        found = _total(folder, json.loads((folder / _CATALOG).read_text())["features"])
    except FileNotFoundError as error:
        found, missing = (-1, -1), f": '{error.filename}' is missing"
    else:
        missing = ""
    if found != (counts["files"], counts["bytes"]):
        message = f"The sandbox in '{folder}' was changed after it was made{missing}."
        raise EarthenwareError("OUTPUT_DAMAGED", message, "Remove the folder and make it again.")
