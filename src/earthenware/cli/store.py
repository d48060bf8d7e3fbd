"""``earthenware status`` and ``earthenware clean``: what lies below a root, and taking it away."""

from __future__ import annotations

import click

from earthenware import storage
from earthenware.graph import find_steps


@click.command()
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


@click.command()
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
