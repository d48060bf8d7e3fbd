"""What lies below a root: the outputs of steps, and what became of each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph._steps import STEPS
from earthenware.steps import Manifest, describe_seconds, holder_is_alive, read_manifest


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
    order = {name: number for number, name in enumerate(STEPS)}
    found = [_state(output) for output in _claimed(uri, depth=2)]
    return sorted(found, key=lambda state: (order.get(state.step, len(order)), state.output))


def newest(root: str, step: str) -> str | None:
    """Return the output of ``step`` below a root that was finished last; None where there is none."""
    found = [state for state in find_steps(root) if state.step == step and state.manifest is not None]
    return max(found, key=lambda state: state.manifest.finished if state.manifest else "").output if found else None


def _claimed(prefix: str, depth: int) -> Iterator[str]:
    """Yield the prefixes that a step claimed: outputs lie at <root>/<step>/<fingerprint>, or the root is itself one.

    Folders are listed, never what an output holds: how long it takes depends on the number of steps, not of objects.
    """
    if storage.exists(storage.join(prefix, "step.json")):
        yield prefix
    elif depth:
        for name in storage.list_prefixes(prefix):
            yield from _claimed(storage.join(prefix, name), depth - 1)


def _state(output: str) -> StepState:
    claim = storage.read_json(storage.join(output, "step.json"))
    step = str(claim.get("step"))
    with contextlib.suppress(EarthenwareError):
        manifest = read_manifest(output)
        counts = ", ".join(f"{value} {key}" for key, value in list(manifest.counts.items())[:3])
        return StepState(step, output, "done", f"{counts}; {describe_seconds(manifest.seconds['total'])}", manifest)
    lease = _read(output, "lease.json")
    if lease and holder_is_alive(lease) is not False:
        return StepState(step, output, "running", f"process {lease.get('pid')} on {lease.get('host')}", None)
    error = _read(output, "error.json")
    if error:
        return StepState(step, output, "failed", str(error.get("message")), None)
    return StepState(step, output, "unfinished", "killed or stopped; run it again to resume", None)


def _read(output: str, name: str) -> dict[str, Any] | None:
    try:
        value = storage.read_json(storage.join(output, name))
    except (FileNotFoundError, EarthenwareError):
        return None
    return value if isinstance(value, dict) else None
