"""Making a sandbox: places in worker processes, then the catalog, then the note that it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earthenware.errors import EarthenwareError
from earthenware.processes import process_pool
from earthenware.sandbox._place_files import make_place_files, place_record
from earthenware.sandbox._spec import SandboxSpec

_VERSION: Final = 1  # raised when the same spec gives other pixels
_SCRATCH: Final = ".unfinished"
_CATALOG: Final = "items.json"
_NOTE: Final = "sandbox.json"


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
        seconds: Time that this call took.
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


def make_sandbox(
    spec: SandboxSpec, output: str | Path, progress: Callable[[int, int, str], None] | None = None
) -> SandboxSummary:
    """Make a small synthetic Earth: a STAC catalog and its Cloud-Optimized GeoTIFFs.

    The catalog ``items.json`` is written when every file that it names is there, and ``sandbox.json`` last. A call
    that was cut short is taken up by the next one with the same spec; a finished sandbox is left as it is.

    Args:
        spec: Seed and extent.
        output: Folder on this machine; it must be absent, empty, or hold this very sandbox.
        progress: Called with places done, places in all, and the word ``places``.

    Returns:
        What the sandbox holds.

    Raises:
        EarthenwareError: ``NOT_A_SANDBOX`` when the folder holds something else, ``OTHER_SANDBOX`` when it holds a
            sandbox of another spec or version, ``SANDBOX_CHANGED`` when files of it are gone, ``SANDBOX_BUSY`` when
            another process is making it, ``NOT_LOCAL`` for a URL.
    """
    began = time.monotonic()
    folder = _local(output)
    facts = {"format": "earthenware-sandbox", "version": _VERSION, "spec": spec.results()}
    found = _finished(folder, facts)
    if found is not None:
        shutil.rmtree(folder / _SCRATCH, ignore_errors=True)  # what a call killed after its last write left
        return _summary(folder, found, True, began)
    scratch = folder / _SCRATCH
    _claim(folder, facts)
    with _lock(scratch, folder):
        found = _finished(folder, facts)
        if found is not None:
            return _summary(folder, found, True, began)
        _make_places(spec, folder, scratch, progress)
        summary = _publish(spec, folder, scratch, facts)
    shutil.rmtree(scratch, ignore_errors=True)
    return _summary(folder, summary, False, began)


def _local(output: str | Path) -> Path:
    text = str(output)
    if "://" in text and not text.startswith("file://"):
        raise EarthenwareError(
            "NOT_LOCAL", f"A sandbox is made in a folder on this machine, not at '{text}'.", "Give a local path."
        )
    return Path(text.removeprefix("file://")).absolute()


def _summary(folder: Path, found: dict[str, Any], reused: bool, began: float) -> SandboxSummary:
    seconds = time.monotonic() - began
    return SandboxSummary(folder=str(folder), catalog=str(folder / _CATALOG), reused=reused, seconds=seconds, **found)


def _finished(folder: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Return the summary of the finished sandbox in a folder, or None."""
    note = folder / _NOTE
    if not note.is_file():
        return None
    try:
        written = json.loads(note.read_text())
        summary: dict[str, Any] = dict(written["summary"])
        _compare(folder, {key: written[key] for key in facts}, facts)
        there = _total(folder, json.loads((folder / _CATALOG).read_text())["features"])
    except FileNotFoundError as error:
        there, missing = (-1, -1), f"; '{error.filename}' is missing"
    except (ValueError, KeyError, TypeError) as error:
        raise _foreign(folder, f"its {_NOTE} is not a sandbox's") from error
    else:
        missing = ""
    if there != (summary["files"], summary["bytes"]):
        message = f"The sandbox in '{folder}' was changed after it was made{missing}."
        raise EarthenwareError("SANDBOX_CHANGED", message, "Remove the folder and make it again.")
    return summary


def _total(folder: Path, items: list[dict[str, Any]]) -> tuple[int, int]:
    """Return the number and the bytes of all files that items name."""
    hrefs = [asset["href"] for item in items for asset in item["assets"].values()]
    return len(hrefs), sum((folder / href).stat().st_size for href in hrefs)


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    """Make the folder ours, or refuse."""
    claim = folder / _SCRATCH / "spec.json"
    if claim.is_file():
        _compare(folder, json.loads(claim.read_text()), facts)
        return
    if folder.exists() and not folder.is_dir():
        raise _foreign(folder, "it is a file")
    if folder.is_dir():
        # A call that was killed before it had written its claim leaves an empty scratch folder.
        others = sorted(path.name for path in folder.iterdir() if path.name != _SCRATCH)
        if others:
            raise _foreign(folder, f"it holds '{others[0]}'")
    claim.parent.mkdir(parents=True, exist_ok=True)
    _write(claim, facts)


def _compare(folder: Path, written: dict[str, Any], facts: dict[str, Any]) -> None:
    if written == facts:
        return
    message = f"'{folder}' holds a sandbox made from another spec or by another version."
    raise EarthenwareError("OTHER_SANDBOX", message, "Choose another folder, or remove this one.")


def _foreign(folder: Path, reason: str) -> EarthenwareError:
    message = f"'{folder}' cannot take a sandbox: {reason}."
    return EarthenwareError("NOT_A_SANDBOX", message, "Choose an empty or new folder.")


@contextmanager
def _lock(scratch: Path, folder: Path) -> Iterator[None]:
    """Keep a second process out; the lock goes with the process that holds it, however that ends."""
    scratch.mkdir(parents=True, exist_ok=True)
    with (scratch / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EarthenwareError(
                "SANDBOX_BUSY", f"Another process is making the sandbox in '{folder}'.", "Wait until it is done."
            ) from None
        yield


def _make_places(
    spec: SandboxSpec, folder: Path, scratch: Path, progress: Callable[[int, int, str], None] | None
) -> None:
    """Make the places that are not there yet."""
    missing = [number for number in range(spec.places) if not place_record(scratch, number).is_file()]
    done = spec.places - len(missing)

    def report() -> None:
        if progress is not None:
            progress(done, spec.places, "places")

    report()
    workers = min(spec.workers or os.cpu_count() or 1, max(len(missing), 1))
    if workers == 1:
        for number in missing:
            make_place_files(folder, scratch, number, spec.dates, spec.size, spec.seed)
            done += 1
            report()
        return
    with process_pool(workers) as pool:
        tasks = [
            pool.submit(make_place_files, folder, scratch, number, spec.dates, spec.size, spec.seed)
            for number in missing
        ]
        try:
            for task in as_completed(tasks):
                task.result()
                done += 1
                report()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _publish(spec: SandboxSpec, folder: Path, scratch: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the catalog, then the note; return what the note says of the contents."""
    records = [json.loads(place_record(scratch, number).read_text()) for number in range(spec.places)]
    items = [item for record in records for item in record["items"]]
    items.sort(key=lambda item: (item["collection"], item["id"]))
    files, size = _total(folder, items)
    counts: dict[str, int] = {}
    for item in items:
        counts[item["collection"]] = counts.get(item["collection"], 0) + 1
    summary = {
        "places": spec.places,
        "items": counts,
        "files": files,
        "bytes": size,
        "digest": hashlib.sha256("".join(record["digest"] for record in records).encode()).hexdigest(),
    }
    _write(folder / _CATALOG, {"type": "FeatureCollection", "features": items}, scratch)
    _write(folder / _NOTE, {**facts, "summary": summary}, scratch)
    return summary


def _write(path: Path, value: Any, scratch: Path | None = None) -> None:
    """Write JSON so that the file is whole or absent."""
    unfinished = (scratch or path.parent) / f"{path.name}.{os.getpid()}.unfinished"
    unfinished.write_text(json.dumps(value, indent=1))
    unfinished.replace(path)
