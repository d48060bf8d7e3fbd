"""What lies below a root: the outputs of steps, and what became of each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph._steps import STEPS
from earthenware.steps import (
    Claim,
    Manifest,
    describe_seconds,
    read_claim,
    read_failure,
    read_holder,
    read_manifest,
)


@dataclass(frozen=True)
class StepState:
    """One step's output below a root; ``state`` is ``done``, ``running``, ``failed`` or ``unfinished``."""

    step: str
    output: str
    state: str
    note: str
    manifest: Manifest | None


def find_steps(root: str) -> list[StepState]:
    """Return the outputs of steps below ``root``, in the order in which steps run, then by their URIs.

    Raises:
        EarthenwareError: ``NO_ROOT`` when a local root does not exist.
    """
    uri = storage.normalise(root)
    if storage.is_local(uri) and not storage.local_path(uri).is_dir():
        raise EarthenwareError("NO_ROOT", f"There is no folder '{uri}'.", "Give the root of a run.")
    order = [*STEPS]
    found = [_state(output, claim.step) for output, claim in _claimed(uri, depth=2)]
    return sorted(found, key=lambda one: (order.index(one.step) if one.step in STEPS else len(order), one.output))


def newest(root: str, step: str) -> str | None:
    """Return the output of ``step`` below a root that was finished last; None where there is none."""
    found = [one for one in find_steps(root) if one.step == step]
    finished = {one.manifest.finished: one.output for one in found if one.manifest is not None}
    return finished[max(finished)] if finished else None


def _claimed(prefix: str, depth: int) -> Iterator[tuple[str, Claim]]:
    """Yield the prefixes that a step claimed: outputs lie at <root>/<step>/<fingerprint>, or the root is itself one.

    Folders are listed, never what an output holds: how long it takes depends on the number of steps, not of objects.
    """
    claim = read_claim(prefix)
    if claim is not None:
        yield prefix, claim
    elif depth:
        for name in storage.list_prefixes(prefix):
            yield from _claimed(storage.join(prefix, name), depth - 1)


def _state(output: str, step: str) -> StepState:
    with contextlib.suppress(EarthenwareError):
        manifest = read_manifest(output)
        counts = ", ".join(f"{value} {key}" for key, value in list(manifest.counts.items())[:3])
        return StepState(step, output, "done", f"{counts}; {describe_seconds(manifest.seconds['total'])}", manifest)
    holder, failure = read_holder(output), read_failure(output)
    if holder is not None and holder.alive is not False:
        return StepState(step, output, "running", f"process {holder.pid} on {holder.host}", None)
    if failure is not None:
        return StepState(step, output, "failed", failure.message, None)
    return StepState(step, output, "unfinished", "killed or stopped; run it again to resume", None)
