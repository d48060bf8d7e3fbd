"""The steps as commands: each reads its section of a spec, calls one library function, and says what came of it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import partial
from typing import Any

import click

from earthenware import storage
from earthenware.cli._say import say
from earthenware.graph import STEPS, Artifact, Step, step_spec
from earthenware.processes import step_process
from earthenware.steps import DryRun, StepReport, dry_run, load_yaml


class _StepCommand(click.Command):
    """A command whose help ends with the fields of its spec."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        model = STEPS[str(self.name)].spec_type()
        if model is None:
            return
        with formatter.section("Fields of the spec, with their defaults"):
            rows = []
            for name, field in model.model_fields.items():
                default = "required" if field.is_required() else json.dumps(field.get_default())
                rows.append((f"{name} = {default}", field.description or ""))
            formatter.write_dl(rows)


def step_command(step: Step) -> click.Command:
    """Return the command of a step: an option for each input, for its output, and for its spec."""
    options = [_input(artifact) for artifact in step.inputs]
    if step.outputs:
        options.append(click.Option(["--output"], required=True, metavar="URI", help="Prefix for this step alone."))
    if step.spec:
        told = f"YAML with a section '{step.name}', or its fields."
        options.append(click.Option(["--spec", "spec_uri"], metavar="FILE", help=told))
        told = "Change a field of the spec."
        options.append(click.Option(["--set", "assignments"], multiple=True, metavar="KEY=VALUE", help=told))
    if step.outputs:
        told = "Say what would be done and what is done already."
        options.append(click.Option(["--dry-run", "dry"], is_flag=True, help=told))
        options.append(click.Option(["--json", "as_json"], is_flag=True, help="Print the manifest as JSON."))
    run = partial(_run, step)
    return _StepCommand(step.name, params=[*options], callback=run, help=step.summary)


def _input(artifact: Artifact) -> click.Option:
    makers = [f"'{step.name}'" for step in STEPS.values() if artifact.holds in {made.holds for made in step.outputs}]
    repeat = "; repeatable" if artifact.many else ""
    return click.Option(
        [f"--{artifact.name}"],
        required=not artifact.optional,
        multiple=artifact.many,
        metavar="URI",
        help=f"Output of {' or '.join(makers)}{repeat}.",
    )


def _run(
    step: Step,
    output: str = "",
    spec_uri: str | None = None,
    assignments: tuple[str, ...] = (),
    dry: bool = False,
    as_json: bool = False,
    **inputs: Any,
) -> None:
    values = load_yaml(spec_uri) if spec_uri else {}
    spec = step_spec(step, values, assignments, f"{spec_uri or 'spec'} ({step.name})")
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in inputs.items() if value}
    with step_process():
        try:
            with dry_run() if dry else nullcontext():
                report = step.run(spec, given, output)
        except DryRun as stop:
            say(stop.plan.sentence)
            return
    if dry:
        say(f"{report.step} is done in '{storage.redact(report.output)}': nothing to do.")
    elif report is None:
        click.echo(f"{step.name}: passed.")
    elif as_json:
        click.echo(report.manifest.model_dump_json(indent=2))
    else:
        _say(report)


def _say(report: StepReport) -> None:
    manifest = report.manifest
    rows: list[tuple[str, object]] = [*manifest.counts.items()]
    rows += [(key, f"{metric:.4g}") for key, metric in manifest.metrics.items()]
    rows += [(f"rejected, {reason}", count) for reason, count in manifest.rejects.items()]
    for key, value in [*rows, ("output", storage.redact(report.output))]:
        say(f"{key:>28}  {value}")
