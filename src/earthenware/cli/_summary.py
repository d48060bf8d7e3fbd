"""What a person sees when a pipeline has ended: a short table, its page, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph import meaning
from earthenware.runner import Run
from earthenware.steps import describe_seconds
from earthenware.tracking import OFF, resolve_uri


def print_summary(run: Run, stream: IO[str]) -> None:
    """Print the rows of each step that publishes a ``summary.json``, the seconds per step, and commands to try.

    Args:
        run: What has ended.
        stream: Where to.
    """
    console = Console(file=stream, highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2))
    pages = []
    for step, output in run.outputs.items():
        made = run.manifest(step).artifacts
        if "summary.json" in made:
            for row in storage.read_json(storage.join(output, "summary.json")).get("rows", []):
                table.add_row(Text(str(row["name"])), Text(str(row["value"])))
        pages += [storage.join(output, name) for name in ("report.html", "page.html") if name in made]
    steps = ", ".join(f"{task} {describe_seconds(value)}" for task, value in run.seconds.items())
    table.add_row("seconds per step", Text(steps))
    console.print()
    console.print(table)
    if pages:
        console.print(f"\nReport: {pages[-1]}", soft_wrap=True)
    console.print("\nNext:")
    for command in _next(run):
        console.print(f"  {command}", soft_wrap=True)


def _next(run: Run) -> Iterator[str]:
    root = run.spec.root
    for step in run.pipeline.steps:
        if step.hint and step.name in run.outputs:
            yield step.hint.format(root=root, lonlat=_lonlat(run, step.name))
    for field in meaning(run.pipeline, "tracking"):
        uri = resolve_uri(str(field.of(run.spec)), root)
        if uri != OFF:
            yield f"mlflow ui --backend-store-uri {storage.redact(uri)}   # losses, metrics, the model"
    yield f"earthenware status {root}   # every step and its output"


def _lonlat(run: Run, step: str) -> str:
    """Return longitude and latitude of a place in a step's output, to be searched for; words where there is none."""
    for name in run.manifest(step).artifacts:
        if name.endswith(".parquet"):
            try:
                table: Any = storage.read_table(storage.join(run.outputs[step], name), ["lon", "lat"])
                return f"{table['lon'][0].as_py():.5f} {table['lat'][0].as_py():.5f}"
            except (EarthenwareError, LookupError, ValueError):  # a table of something else, or an empty one
                continue
    return "LON LAT"
