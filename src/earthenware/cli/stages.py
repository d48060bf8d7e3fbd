"""The steps as commands: each reads its section of a spec, calls one library function, and says what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from earthenware import storage
from earthenware.cli.specs import section_of
from earthenware.processes import step_process
from earthenware.steps import DryRun, Spec, StepReport, dry_run, load_yaml, override, parse_spec

_Command = Callable[..., None]


def _spec(step: str, uri: str | None, assignments: tuple[str, ...]) -> Any:
    """Read the spec of one step: from its section of a pipeline's spec, or from a file of its own."""
    model = section_of("pretrain", step)
    values = load_yaml(uri) if uri else {}
    if isinstance(values.get(step), dict):
        values = values[step]
    return parse_spec(model, override(values, assignments), f"{uri or 'spec'} ({step})")


def _step_options(step: str) -> Callable[[_Command], _Command]:
    def add(command: _Command) -> _Command:
        options = [
            click.option("--output", required=True, metavar="URI", help="Prefix that this step shall own."),
            click.option("--spec", "spec_uri", metavar="FILE", help=f"YAML with a section '{step}', or its fields."),
            click.option(
                "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a field of the spec."
            ),
            click.option("--dry-run", "dry", is_flag=True, help="Say what would be done and what is done already."),
            click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON."),
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return add


class _StepCommand(click.Command):
    """A command whose help ends with the fields of its spec."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        model: type[Spec] = section_of("pretrain", str(self.name))
        with formatter.section("Fields of the spec, with their defaults"):
            rows = []
            for name, field in model.model_fields.items():
                default = "required" if field.is_required() else json.dumps(field.get_default())
                rows.append((f"{name} = {default}", field.description or ""))
            formatter.write_dl(rows)


def _run(dry: bool, as_json: bool, call: Callable[[], StepReport]) -> None:
    with step_process():
        if dry:
            try:
                with dry_run():
                    report = call()
            except DryRun as stop:
                click.echo(stop.plan.sentence)
                return
            click.echo(f"{report.step} is done in '{storage.redact(report.output)}': nothing to do.")
            return
        report = call()
    if as_json:
        click.echo(report.manifest.model_dump_json(indent=2))
        return
    for key, value in report.manifest.counts.items():
        click.echo(f"{key:>28}  {value}")
    for key, metric in report.manifest.metrics.items():
        click.echo(f"{key:>28}  {metric:.4g}")
    for reason, count in report.manifest.rejects.items():
        click.echo(f"{'rejected, ' + reason:>28}  {count}")
    click.echo(f"{'output':>28}  {storage.redact(report.output)}")


@click.command(cls=_StepCommand)
@_step_options("query")
def query(output: str, spec_uri: str | None, assignments: tuple[str, ...], dry: bool, as_json: bool) -> None:
    """Search a STAC catalog and write the table of scenes: one row per datacube to build."""
    from earthenware.catalog import query as run

    spec = _spec("query", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, output))


@click.command(cls=_StepCommand)
@click.option("--scenes", required=True, metavar="URI", help="Output of 'query'.")
@_step_options("build")
def build(
    scenes: str, output: str, spec_uri: str | None, assignments: tuple[str, ...], dry: bool, as_json: bool
) -> None:
    """Read the scenes' pixels onto one grid each and cut them into a chip store."""
    from earthenware.datacube import build as run

    spec = _spec("build", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, scenes, output))


@click.command()
@click.argument("shards", nargs=-1, required=True, metavar="SHARD_OUTPUT...")
@click.option("--output", required=True, metavar="URI", help="Prefix that this step shall own.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be done and what is done already.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def merge(shards: tuple[str, ...], output: str, dry: bool, as_json: bool) -> None:
    """Join the chip stores of build shards into one, without copying a pixel."""
    from earthenware.datacube import merge as run

    _run(dry, as_json, lambda: run(list(shards), output))


@click.command(cls=_StepCommand)
@click.option("--chips", required=True, metavar="URI", help="Output of 'build' or 'merge'.")
@_step_options("validate")
def validate(
    chips: str, output: str, spec_uri: str | None, assignments: tuple[str, ...], dry: bool, as_json: bool
) -> None:
    """Check a chip store with Great Expectations and publish the verdict; 'gate' acts on it."""
    from earthenware.validation import validate as run

    spec = _spec("validate", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, chips, output))


@click.command()
@click.argument("validation", metavar="VALIDATION_OUTPUT")
def gate(validation: str) -> None:
    """Exit with code 4 unless the verdict of a validation is good."""
    from earthenware.validation import gate as run

    run(validation)
    click.echo("The data passed validation.")


@click.command(cls=_StepCommand)
@click.option("--chips", required=True, metavar="URI", help="Output of 'build' or 'merge'.")
@_step_options("train")
def train(
    chips: str, output: str, spec_uri: str | None, assignments: tuple[str, ...], dry: bool, as_json: bool
) -> None:
    """Pretrain a masked autoencoder with Ray Train and register it in MLflow as 'candidate'."""
    from earthenware.training import train as run

    spec = _spec("train", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, chips, output))


@click.command(cls=_StepCommand)
@click.option("--chips", required=True, metavar="URI", help="Output of 'build' or 'merge'.")
@click.option("--model", required=True, metavar="URI", help="Output of 'train'.")
@_step_options("evaluate")
def evaluate(
    chips: str, model: str, output: str, spec_uri: str | None, assignments: tuple[str, ...], dry: bool, as_json: bool
) -> None:
    """Measure reconstruction and land-cover probes on places that training did not see."""
    from earthenware.evaluation import evaluate as run

    spec = _spec("evaluate", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, chips, model, output))


@click.command(cls=_StepCommand)
@click.option("--chips", required=True, metavar="URI", help="Output of 'build' or 'merge'.")
@click.option("--model", required=True, metavar="URI", help="Output of 'train'.")
@_step_options("embed")
def embed(
    chips: str, model: str, output: str, spec_uri: str | None, assignments: tuple[str, ...], dry: bool, as_json: bool
) -> None:
    """Export one embedding per chip as GeoParquet with its STAC Collection and Item."""
    from earthenware.embeddings import embed as run

    spec = _spec("embed", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, chips, model, output))


@click.command(cls=_StepCommand)
@click.option("--chips", required=True, metavar="URI", help="Output of 'build' or 'merge'.")
@click.option("--model", required=True, metavar="URI", help="Output of 'train'.")
@click.option("--evaluation", required=True, metavar="URI", help="Output of 'evaluate'.")
@click.option("--embeddings", required=True, metavar="URI", help="Output of 'embed'.")
@_step_options("report")
def report(
    chips: str,
    model: str,
    evaluation: str,
    embeddings: str,
    output: str,
    spec_uri: str | None,
    assignments: tuple[str, ...],
    dry: bool,
    as_json: bool,
) -> None:
    """Write one self-contained page about the data, the model, its evaluation and its embeddings."""
    from earthenware.evaluation import report as run

    spec = _spec("report", spec_uri, assignments)
    _run(dry, as_json, lambda: run(spec, chips, model, evaluation, embeddings, output))
