"""``earthenware status`` and ``earthenware clean``: what lies below a root, and taking it away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from earthenware import storage
from earthenware.errors import EarthenwareError
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
    """Return the outputs of steps below ``root``, sorted by their URIs.

    Raises:
        EarthenwareError: ``NO_ROOT`` when a local root does not exist.
    """
    uri = storage.normalise(root)
    if storage.is_local(uri) and not storage.local_path(uri).is_dir():
        raise EarthenwareError("NO_ROOT", f"There is no folder '{uri}'.", "Give the root of a run.")
    return [_state(output) for output in _claimed(uri, depth=2)]


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


@click.command(short_help="Show the steps below a root and what became of them.")
@click.argument("root")
def status(root: str) -> None:
    """Show each step's output below ROOT: done, running, failed or unfinished, with its counts or its error."""
    found = find_steps(root)
    if not found:
        click.echo(f"There is no step's output below '{storage.redact(root)}'.")
    colours = {"done": "green", "running": "cyan", "failed": "red", "unfinished": "yellow"}
    for item in found:
        state = click.style(f"{item.state:<10}", fg=colours[item.state])
        click.echo(f"{item.step:<9} {state} {storage.redact(item.output)}\n{'':<20} {item.note}")


@click.command(short_help="Remove outputs of steps below a root.")
@click.argument("root")
@click.option("--all", "everything", is_flag=True, help="Also remove finished outputs, not only unfinished and failed.")
@click.option("--step", "only", multiple=True, help="Only outputs of this step; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(root: str, everything: bool, only: tuple[str, ...], yes: bool) -> None:
    """Remove outputs of steps below ROOT: those that never finished, or with --all every one.

    Only prefixes that a step claimed are removed, never other files, and none that a live run holds.
    """
    found = [item for item in find_steps(root) if not only or item.step in only]
    doomed = [item for item in found if item.state in ("failed", "unfinished") or (everything and item.state == "done")]
    for item in found:
        if item.state == "running":
            click.echo(f"kept     {item.step:<9} {storage.redact(item.output)} ({item.note})")
    if not doomed:
        click.echo("There is nothing to remove.")
        return
    for item in doomed:
        click.echo(f"{item.state:<10} {item.step:<9} {storage.redact(item.output)}")
    if not yes:
        click.confirm(f"Remove these {len(doomed)} outputs?", abort=True)
    for item in doomed:
        storage.delete_prefix(item.output)
    click.echo(f"Removed {len(doomed)} outputs.")
