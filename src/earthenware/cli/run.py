"""``earthenware run``: a whole pipeline on this machine, and what a person sees when it has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import click
from rich.table import Table
from rich.text import Text

from earthenware import storage
from earthenware.cli._say import say
from earthenware.errors import EarthenwareError, printable
from earthenware.graph import find_pipeline, load_spec, meaning, plan
from earthenware.runner import Run, Terminal
from earthenware.runner import run as start
from earthenware.steps import describe_seconds, read_artifact
from earthenware.tracking import OFF, resolve_uri

_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_RUNNERS: Final = click.Choice(["process", "docker"])


@click.command()
@click.argument("pipeline")
@click.option("--spec", "spec_uri", required=True, metavar="FILE", help="YAML that 'earthenware init' wrote.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Such as train.epochs=3; repeatable.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be done and what is done already.")
@click.option("--runs", type=_FOLDER, help="For events and logs (default: ROOT/runs, or ./runs for a remote root).")
@click.option("--runner", type=_RUNNERS, default="process", show_default=True, help="How steps are run.")
@click.option("--image", default="", metavar="IMAGE", help="Image of the containers (default: the pipeline's own).")
def run(
    pipeline: str,
    spec_uri: str,
    assignments: tuple[str, ...],
    dry: bool,
    runs: Path | None,
    runner: Literal["process", "docker"],
    image: str,
) -> None:
    """Run PIPELINE (such as 'pretrain') with the same compiled graph that a cluster runs.

    Steps that are finished for the same spec and inputs are not run again; a run that was killed is resumed by the
    same command.

    \b
    Examples:
      earthenware run pretrain --spec pretrain.yaml
      earthenware run pretrain --spec pretrain.yaml --set train.epochs=20 --set query.max_cloud=0.3
      earthenware run pretrain --spec pretrain.yaml --dry-run
      earthenware run pretrain --spec pretrain.yaml --runner docker
    """  # noqa: D301 - click wants the backspace character itself
    if image and runner != "docker":
        raise click.UsageError("--image is for '--runner docker': child processes run in no image.")
    spec = load_spec(pipeline, spec_uri, assignments)
    if dry:
        for _, sentence in plan(find_pipeline(pipeline), spec):
            say(sentence)
        return
    _print_summary(start(pipeline, spec, runner=runner, image=image, runs=runs))


def _print_summary(done: Run) -> None:
    """Print the rows of each step that publishes a ``summary.json``, the seconds per step, and commands to try."""
    console = Terminal(highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2))
    pages = []
    for step, output in done.outputs.items():
        made = done.manifest(step).artifacts
        if "summary.json" in made:
            for row in json.loads(read_artifact(output, "summary.json")).get("rows", []):
                table.add_row(*(Text(printable(str(row[name]))) for name in ("name", "value")))
        pages += [storage.join(output, name) for name in ("report.html", "page.html") if name in made]
    steps = ", ".join(f"{task} {describe_seconds(value)}" for task, value in done.seconds.items())
    table.add_row("seconds per step", Text(steps))
    console.print()
    console.print(table)
    if pages:
        console.print()
        console.print(Text(printable(f"Report: {pages[-1]}")), soft_wrap=True)
    console.print("\nNext:")
    for command in _next(done):
        console.print(Text(printable(f"  {command}")), soft_wrap=True)


def _next(done: Run) -> Iterator[str]:
    root = done.spec.root
    for step in done.pipeline.steps:
        if step.hint and step.name in done.outputs:
            yield step.hint.format(root=root, lonlat=_lonlat(done, step.name))
    for field in meaning(done.pipeline, "tracking"):
        uri = resolve_uri(str(field.of(done.spec)), root)
        if uri != OFF:
            yield f"mlflow ui --backend-store-uri {storage.redact(uri)}   # losses, metrics, the model"
    yield f"earthenware status {root}   # every step and its output"


def _lonlat(done: Run, step: str) -> str:
    """Return longitude and latitude of a place in a step's output, to be searched for; words where there is none."""
    for name in done.manifest(step).artifacts:
        if name.endswith(".parquet"):
            try:
                data = read_artifact(done.outputs[step], name, done.manifest(step))
                table: Any = storage.parse_table(data, name, ["lon", "lat"])
                return f"{table['lon'][0].as_py():.5f} {table['lat'][0].as_py():.5f}"
            except (EarthenwareError, LookupError, ValueError):  # a table of something else, or an empty one
                continue
    return "LON LAT"
