"""``earthenware status`` and ``earthenware clean``: what lies below a root, and taking it away."""

from __future__ import annotations

import click

from earthenware import storage
from earthenware.cli._say import say
from earthenware.errors import EarthenwareError, printable
from earthenware.graph import STEPS, StepState, find_steps, read_by_runs
from earthenware.steps import remove_output

_COLOURS = {"done": "green", "running": "cyan", "failed": "red", "damaged": "red"}
_FINISHED = ("done", "damaged")


@click.command()
@click.argument("root")
def status(root: str) -> None:
    """Show each step's output below ROOT: done, running, failed, unfinished, damaged; its counts or its error."""
    found = find_steps(root)
    if all(item.state == "unknown" for item in found):
        click.echo(f"There is no step's output below '{printable(storage.redact(root))}'.")
    for item in found:
        state = click.style(f"{item.state:<10}", fg=_COLOURS.get(item.state, "yellow"))
        where = printable(storage.redact(item.output))
        click.echo(f"{printable(item.step):<9} {state} {where}\n{'':<20} {printable(item.note)}")


@click.command()
@click.argument("root")
@click.option("--all", "everything", is_flag=True, help="Also remove finished outputs, not only unfinished and failed.")
@click.option("--step", "only", multiple=True, help="Only outputs of this step; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(root: str, everything: bool, only: tuple[str, ...], yes: bool) -> None:
    """Remove outputs of steps below ROOT: those that never finished, or with --all every one.

    Only prefixes that a step claimed are removed, never other files, and none that a live run holds or reads.
    """
    chosen = _choose(root, everything, only)
    for item, why in chosen:
        _tell("kept" if why else item.state, item, why)
    doomed = [item for item, why in chosen if not why]
    if not doomed:
        click.echo("There is nothing to remove.")
        return
    if not yes:
        if not _agreed(f"Remove these {len(doomed)} outputs?"):
            click.echo("Nothing was removed.")
            return
        chosen = _choose(root, everything, only)  # who knows how long the question waited
    still = {item.output: item.state for item, why in chosen if not why}
    failures = []
    for item in sorted(doomed, key=lambda one: one.output, reverse=True):  # what lies within others first
        try:
            if still.get(item.output) != item.state:
                raise EarthenwareError("OUTPUT_OCCUPIED", "It is in use, or changed, since the question was asked.")
            remove_output(item.output, finished=item.state in _FINISHED)
        except EarthenwareError as error:
            _tell("kept", item, error.message)
            failures.append(error)
    click.echo(f"Removed {len(doomed) - len(failures)} outputs.")
    for failure in failures:
        if failure.kind != "occupied":
            raise failure


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            raise EarthenwareError("BAD_OPTION", "There is nobody who could answer.", "Give --yes.") from None
        raise


def _choose(root: str, everything: bool, only: tuple[str, ...]) -> list[tuple[StepState, str]]:
    """Return the outputs that are asked for, each with the reason why it is kept; empty where it is to go."""
    found = find_steps(root)
    unknown = [name for name in only if name not in {*STEPS, *(item.step for item in found)}]
    if unknown:
        message = f"--step {unknown[0]}: there is no such step."
        raise EarthenwareError("BAD_OPTION", message, f"The steps are: {', '.join(STEPS)}.")
    read = read_by_runs(found)
    reasons = {
        item.output: item.note
        if item.state in ("running", "unknown")
        else ("a live run reads it" if item.output in read else "")
        for item in found
        if (everything or item.state not in _FINISHED) and (not only or item.step in only)
    }
    for output, why in reasons.items():
        within = [one.output for one in found if one.output.startswith(f"{output}/")]
        stays = next((one for one in within if reasons.get(one, "not asked for")), None)
        reasons[output] = why or (f"it holds '{storage.redact(stays)}'" if stays else "")
    return [(item, reasons[item.output]) for item in found if item.output in reasons]


def _tell(word: str, item: StepState, why: str = "") -> None:
    line = f"{word:<10} {item.step:<9} {storage.redact(item.output)}"
    say(f"{line} ({why})" if why else line)
