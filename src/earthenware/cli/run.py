"""``earthenware run``: a whole pipeline on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import click

from earthenware import storage
from earthenware.cli._chain import plan_pretrain
from earthenware.cli._local import compiled_pipeline, run_local
from earthenware.cli.specs import PretrainSpec, flatten, load_spec

__all__ = ["run"]


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
def run(pipeline: str, spec_uri: str, assignments: tuple[str, ...], dry: bool, runs: Path | None) -> None:
    r"""Run PIPELINE (such as 'pretrain') with the same compiled graph that a cluster runs.

    Steps that are finished for the same spec and inputs are not run again; a run that was killed is resumed by the
    same command.

    \b
    Examples:
      earthenware run pretrain --spec pretrain.yaml
      earthenware run pretrain --spec pretrain.yaml --set train.epochs=20 --set query.max_cloud_cover=30
      earthenware run pretrain --spec pretrain.yaml --dry-run
    """
    spec = cast("PretrainSpec", load_spec(pipeline, spec_uri, assignments))
    spec = spec.model_copy(update={"root": storage.normalise(spec.root)})
    if dry:
        for _, sentence in plan_pretrain(spec):
            click.echo(sentence)
        return
    arguments = flatten(spec)
    catalog = str(arguments["query_catalog"])
    if storage.is_local(catalog):  # the steps run elsewhere: a relative path means nothing there
        arguments["query_catalog"] = storage.normalise(catalog)
    folder = runs or (Path(spec.root) / "runs" if storage.is_local(spec.root) else Path("runs"))
    renderer, _ = run_local(compiled_pipeline(pipeline), arguments, folder.absolute())
    _say_what_came_of_it(spec, renderer.outputs, renderer.seconds)


def _say_what_came_of_it(spec: PretrainSpec, outputs: dict[str, str], seconds: dict[str, float]) -> None:
    from earthenware.cli._summary import print_summary

    print_summary(outputs, seconds, spec.root, sys.stdout)
