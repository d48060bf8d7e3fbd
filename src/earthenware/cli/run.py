"""``earthenware run``: a whole pipeline on this machine."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import cast

import click

from earthenware import storage
from earthenware.cli._chain import plan_pretrain
from earthenware.cli.specs import PretrainSpec, flatten, load_spec
from earthenware.compiling import compile_pipeline, compiled_pipeline, load_profile
from earthenware.runner import Containers, find_image, images, prepare_root, run_local


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
    runner: str,
    image: str,
) -> None:
    """Run PIPELINE (such as 'pretrain') with the same compiled graph that a cluster runs.

    Steps that are finished for the same spec and inputs are not run again; a run that was killed is resumed by the
    same command.

    \b
    Examples:
      earthenware run pretrain --spec pretrain.yaml
      earthenware run pretrain --spec pretrain.yaml --set train.epochs=20 --set query.max_cloud_cover=30
      earthenware run pretrain --spec pretrain.yaml --dry-run
      earthenware run pretrain --spec pretrain.yaml --runner docker
    """  # noqa: D301 - click wants the backspace character itself
    if image and runner != "docker":
        raise click.UsageError("--image is for '--runner docker': child processes run in no image.")
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
    if runner == "docker":
        compiled = compile_pipeline(pipeline, load_profile("laptop"), image)
        for name in images(compiled.spec):
            find_image(name)
        prepare_root(spec.root)
        containers = functools.partial(Containers, spec.root, str(arguments["query_catalog"]))
        renderer, _ = run_local(compiled.text, arguments, folder.absolute(), containers)
    else:
        renderer, _ = run_local(compiled_pipeline(pipeline).read_text("utf-8"), arguments, folder.absolute())
    _say_what_came_of_it(spec, renderer.outputs, renderer.seconds)


def _say_what_came_of_it(spec: PretrainSpec, outputs: dict[str, str], seconds: dict[str, float]) -> None:
    from earthenware.cli._summary import print_summary

    print_summary(outputs, seconds, spec.root, sys.stdout)
