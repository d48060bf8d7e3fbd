"""``earthenware run``: a whole pipeline on this machine."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

from earthenware import storage
from earthenware.compiling import compile_pipeline, compiled_pipeline, load_profile
from earthenware.graph import PipelineSpec, arguments, find_pipeline, load_spec, meaning, plan, with_values
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
    graph = find_pipeline(pipeline)
    spec = load_spec(pipeline, spec_uri, assignments)
    spec = with_values(spec, {"root": storage.normalise(spec.root)})
    if dry:
        for _, sentence in plan(graph, spec):
            click.echo(sentence)
        return
    catalogs = {field.path: str(field.of(spec)) for field in meaning(graph, "catalog")}
    # The steps run elsewhere: a relative path means nothing there.
    local = {path: storage.normalise(uri) for path, uri in catalogs.items() if storage.is_local(uri)}
    spec = with_values(spec, local)
    given = arguments(graph, spec)
    folder = runs or (Path(spec.root) / "runs" if storage.is_local(spec.root) else Path("runs"))
    if runner == "docker":
        compiled = compile_pipeline(pipeline, load_profile("laptop"), image)
        for name in images(compiled.spec):
            find_image(name)
        prepare_root(spec.root)
        containers = functools.partial(Containers, spec.root, next(iter(local.values()), ""))
        renderer, _ = run_local(compiled.text, given, folder.absolute(), containers)
    else:
        renderer, _ = run_local(compiled_pipeline(pipeline).read_text("utf-8"), given, folder.absolute())
    _say_what_came_of_it(spec, renderer.outputs, renderer.seconds)


def _say_what_came_of_it(spec: PipelineSpec, outputs: dict[str, str], seconds: dict[str, float]) -> None:
    from earthenware.cli._summary import print_summary

    print_summary(outputs, seconds, spec.root, sys.stdout)
