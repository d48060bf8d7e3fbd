"""``earthenware verify``: whether everything below a root is what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from earthenware import storage
from earthenware.cli._say import say
from earthenware.errors import EarthenwareError
from earthenware.graph import StepState, find_steps
from earthenware.steps import EventLog, verify_output


@click.command()
@click.argument("root")
def verify(root: str) -> None:
    """Read everything below ROOT, compare it with its digests, and print one sentence for each defect.

    ROOT is the root of a run, the output of a step, or a chip store. What a live run works on is left out.
    """
    defects: dict[str, None] = {}  # what two readers find is told once
    events = EventLog("verify")
    try:
        for sentence in _defects(root, find_steps(root), events):
            defects[sentence] = None
    finally:
        events.emit("log", message=f"found {len(defects)} defects")
        for sentence in defects:
            say(sentence)
    if defects:
        message = f"{len(defects)} defects were found below '{storage.redact(root)}'."
        remedy = "Remove the damaged outputs with 'earthenware clean', and run their steps again."
        raise EarthenwareError("OUTPUT_DAMAGED", message, remedy)


def _defects(root: str, found: list[StepState], events: EventLog) -> Iterator[str]:
    """Yield what is wrong with the outputs of steps that were found, or with a chip store that no step made."""
    from earthenware.chips import STORE_FILE, ChipStore

    resting = [item for item in found if item.state != "running"]
    uris = [item.output for item in resting] if found else [storage.normalise(root)]
    holders = [uri for uri in uris if storage.exists(storage.join(uri, STORE_FILE))]
    if not found and not holders:
        message = f"There is no step's output and no chip store at or below '{storage.redact(root)}'."
        raise EarthenwareError("NO_ROOT", message, "Give the root of a run.")
    stores = []
    for uri in holders:
        try:
            stores.append(ChipStore.open(uri))
        except EarthenwareError as error:
            yield error.message
    files = sum(file.bytes for item in resting if item.manifest for file in item.manifest.artifacts.values())
    # A merged store names the parts of others: they are read once.
    pixels = {part: chips * store.chip_bytes for store in stores for part, chips in store.parts.items()}
    read = _progress(events, files + sum(pixels.values()))
    for item in resting:
        yield from verify_output(item.output, read)
        if item.step == "train":
            from earthenware.training import verify_checkpoints

            yield from verify_checkpoints(item.output)
    known: set[str] = set()
    for store in stores:
        yield from store.verify(known=known, progress=read)
        known |= store.parts.keys()


def _progress(events: EventLog, total: int) -> Callable[[int], None]:
    """Return what counts bytes that were read, and tells of it."""
    done, whole = 0, max(1, -(-total // 2**20))

    def count(read: int) -> None:
        nonlocal done
        done += read
        events.progress(min(whole, -(-done // 2**20)), whole, "MB")

    count(0)
    return count
