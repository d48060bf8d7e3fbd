"""``earthenware run``: a whole pipeline on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from earthenware.cli._summary import print_summary
from earthenware.graph import find_pipeline, plan
from earthenware.runner import check_spec
from earthenware.runner import run as start


@click.command(short_help="Run a whole pipeline on this machine.")
@click.argument("pipeline")
@click.option("--spec", "spec_uri", required=True, metavar="FILE", help="YAML that 'earthenware init' wrote.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Such as train.epochs=3; repeatable.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be done and what is done already.")
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for events and logs (default: ROOT/runs, or ./runs for a remote root).",
)
@click.option(
    "--runner",
    type=click.Choice(["process", "docker"]),
    default="process",
    show_default=True,
    help="Run each step as a child process, or in a container.",
)
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
    graph = find_pipeline(pipeline)
    spec = check_spec(graph, spec_uri, assignments)
    if dry:
        for _, sentence in plan(graph, spec):
            click.echo(sentence)
        return
    print_summary(start(pipeline, spec, runner=runner, image=image, runs=runs), sys.stdout)
