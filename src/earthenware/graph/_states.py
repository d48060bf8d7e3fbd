"""What lies below a root: the outputs of steps, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph._steps import STEPS
from earthenware.steps import (
    CLAIM,
    RESERVED,
    Claim,
    Manifest,
    describe_seconds,
    find_manifest,
    read_claim,
    read_failure,
    read_holder,
)


@dataclass(frozen=True)
class StepState:
    """One step's output below a root; ``state`` is ``done``, ``running``, ``failed`` or ``unfinished``.

    It is ``damaged`` where the manifest cannot be read, and ``unknown``, of the step ``?``, where the claim cannot.
    """

    step: str
    output: str
    state: str
    note: str
    manifest: Manifest | None = None
    claim: Claim | None = None


def find_steps(root: str) -> list[StepState]:
    """Return the outputs of steps below ``root``, in the order in which steps run, then by their URIs.

    Raises:
        EarthenwareError: ``NO_ROOT`` when a local root does not exist.
    """
    uri = storage.normalise(root)
    if storage.is_web(uri):
        next(storage.list_prefixes(uri), None)  # which says why it cannot
    if storage.is_local(uri) and not storage.local_path(uri).is_dir():
        raise EarthenwareError("NO_ROOT", f"There is no folder '{uri}'.", "Give the root of a run.")
    order = [*STEPS]
    found = list(_look(uri, depth=2))
    return sorted(found, key=lambda one: (order.index(one.step) if one.step in STEPS else len(order), one.output))


def newest(root: str, step: str, warn: Callable[[str], object]) -> str | None:
    """Return the output of ``step`` below a root that was finished last; None where there is none.

    What is damaged does not say when it was finished: ``warn`` is told of it.
    """
    found = [one for one in find_steps(root) if one.step in (step, "?")]
    for one in found:
        if one.state in ("damaged", "unknown"):
            warn(f"'{storage.redact(one.output)}' is left out: {one.note}")
    finished = {one.manifest.finished: one.output for one in found if one.manifest is not None}
    return finished[max(finished)] if finished else None


def read_by_runs(found: Sequence[StepState]) -> set[str]:
    """Return which of the outputs live runs among them read, and what these were made of, as some only refer to it."""
    # A claim knows what is read by its digest: that of an output, or of a single file of it.
    offered = {
        one.output: {one.manifest.digest, *(item.sha256 for item in one.manifest.artifacts.values())}
        for one in found
        if one.manifest
    }
    kept: set[str] = set()
    new = [one for one in found if one.state == "running"]
    while new:
        wanted = {digest for one in new if one.claim for digests in one.claim.inputs.values() for digest in digests}
        new = [one for one in found if one.output not in kept and wanted & offered.get(one.output, set())]
        kept |= {one.output for one in new}
    return kept


def _look(prefix: str, depth: int, *, below: bool = False) -> Iterator[StepState]:
    """Yield what was claimed: outputs lie at <root>/<step>/<fingerprint>, or the root is itself one.

    Folders are listed, never what an output holds: how long it takes depends on the number of steps, not of objects.
    """
    try:
        claim = read_claim(prefix)
        if claim is not None:
            yield _state(prefix, claim)
        elif storage.exists(storage.join(prefix, CLAIM)):
            note = f"its {CLAIM} is no step's claim: what lies here is damaged or not ours, and 'clean' leaves it alone"
            yield StepState("?", prefix, "unknown", note)
        own = RESERVED if claim else ()
        names = [name for name in storage.list_prefixes(prefix) if name not in own] if depth else []
    except EarthenwareError as error:
        # A folder that cannot be read hides no other one; a store that does not answer ends the look.
        if not below or not storage.is_local(prefix):
            raise
        yield StepState("?", prefix, "unknown", error.message)
        return
    for name in names:
        yield from _look(storage.join(prefix, name), depth - 1, below=True)


def _state(output: str, claim: Claim) -> StepState:
    try:
        manifest = find_manifest(output)
    except EarthenwareError as error:
        return StepState(claim.step, output, "damaged", error.message, None, claim)
    if manifest is not None:
        counts = ", ".join(f"{value} {key}" for key, value in list(manifest.counts.items())[:3])
        note = f"{counts}; {describe_seconds(manifest.seconds.get('total', 0.0))}"
        return StepState(claim.step, output, "done", note, manifest, claim)
    holder, failure = read_holder(output), read_failure(output)
    if holder is not None and holder.alive is not False:
        return StepState(claim.step, output, "running", f"process {holder.pid} on {holder.host}", None, claim)
    if failure is not None:
        return StepState(claim.step, output, "failed", failure.message, None, claim)
    return StepState(claim.step, output, "unfinished", "killed or stopped; run it again to resume", None, claim)
