"""Looking at an output: what a run would do there."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._attempt import part_records
from earthenware.steps._documents import LEASE, Claim, Manifest, damaged, find_manifest, read_claim, read_holder
from earthenware.steps._results import is_whole


@dataclass(frozen=True)
class Plan:
    """What a step would do.

    Attributes:
        step: Name of the step.
        output: URI of its output.
        state: One of ``done``, ``resume``, ``new``, ``leased`` and ``occupied``.
        sentence: The same for people.
        manifest: That of a step that is done.
        code: The error's code where the output is occupied.
    """

    step: str
    output: str
    state: str
    sentence: str
    manifest: Manifest | None = None
    code: str = ""


def make_plan(output: str, asked: Claim, leased_by_us: bool = False) -> Plan:
    """Look at the output and say what a run that asks for this would do there."""
    step, shown = asked.step, storage.redact(output)
    claim = read_claim(output)
    if claim is None:
        if storage.exists(output):
            return Plan(step, output, "occupied", f"'{shown}' is a file, not a step's output.", code="OUTPUT_OCCUPIED")
        if storage.is_empty(output) or _only_leased(output):
            return Plan(step, output, "new", f"{step} would run into '{shown}'.")
        claim = read_claim(output)  # a contender may have claimed it between the two looks
    if claim is None:
        sentence = f"'{shown}' holds other files and is not a step's output."
        return Plan(step, output, "occupied", sentence, code="OUTPUT_OCCUPIED")
    if claim.fingerprint != asked.fingerprint:
        sentence = f"'{shown}' holds the output of another {_difference(asked, claim)}."
        return Plan(step, output, "occupied", sentence, code="OUTPUT_HOLDS_OTHER")
    manifest = find_manifest(output)
    if manifest is not None:
        records = manifest.artifacts.values()
        missing = [item.path for item in records if not is_whole(storage.join(output, item.path), item.bytes)]
        if not missing:
            return Plan(step, output, "done", f"{step} is done in '{shown}'.", manifest)
        raise damaged(f"'{shown}' is finished but '{missing[0]}' is missing or truncated.")
    if not leased_by_us:
        with contextlib.suppress(EarthenwareError):
            holder = read_holder(output)
            if holder is not None and holder.alive:
                sentence = f"{step} is being run into '{shown}' by process {holder.pid} on {holder.host}."
                return Plan(step, output, "leased", sentence)
    parts = len(part_records(output))
    return Plan(step, output, "resume", f"{step} would resume in '{shown}' ({parts} parts are committed).")


def _only_leased(output: str) -> bool:
    """Return whether nothing but a lease is left, as where a removal was killed at its very end."""
    return storage.exists(storage.join(output, LEASE)) and list(storage.list_files(output)) == [LEASE]


def _difference(asked: Claim, claim: Claim) -> str:
    if claim.step != asked.step:
        return f"step ('{claim.step}')"
    parts = []
    for key in sorted({*claim.spec, *asked.spec}):
        theirs, ours = claim.spec.get(key), asked.spec.get(key)
        if theirs != ours:
            parts.append(f"{key} is {_short(theirs)} there and {_short(ours)} here")
    inputs = sorted({*claim.inputs, *asked.inputs})
    parts += [f"the input '{key}' is another" for key in inputs if claim.inputs.get(key) != asked.inputs.get(key)]
    if claim.algorithm_version != asked.algorithm_version:
        versions = f"{claim.algorithm_version} there and {asked.algorithm_version} here"
        parts.append(f"the algorithm's version is {versions}")
    return f"{asked.step}: {'; '.join(parts)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def occupied(plan: Plan) -> EarthenwareError:
    """Return the error of a plan whose output is occupied."""
    remedy = "Give another output, or remove what is there ('earthenware clean' removes outputs of steps)."
    return EarthenwareError(plan.code, plan.sentence, remedy)
