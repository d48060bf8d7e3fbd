"""``earthenware doctor``: whether a run would work here, line by line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, Final

import click
from click.core import ParameterSource
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from earthenware import storage
from earthenware.cli._submission import connection
from earthenware.compiling import load_profile
from earthenware.doctor import Check, Finding, Situation, environment, examine, plan
from earthenware.errors import printable
from earthenware.graph import PIPELINES, fields, find_pipeline, load_spec
from earthenware.processes import ending_on_sigterm
from earthenware.runner import Terminal
from earthenware.steps import Meaning, mark_of

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_MARKS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}


@click.command()
@click.option("--spec", "spec_uri", metavar="FILE", help="Spec of a run: its root, catalog and tracking store.")
@click.option("--pipeline", type=click.Choice([*PIPELINES]), default=next(iter(PIPELINES)), help="What would be run.")
@click.option("--profile", default="", metavar="NAME|FILE", help="Default: laptop, with --host cluster-cpu.")
@click.option("--root", default="", metavar="URI", help="Folder or s3:// prefix that a run would write below.")
@click.option("--catalog", default="", metavar="URL|FILE", help="STAC API or ItemCollection file.")
@click.option("--host", envvar="KFP_HOST", default="", metavar="URL", help="Kubeflow Pipelines API (or KFP_HOST).")
@click.option("--namespace", default="", metavar="NS", help="Kubernetes namespace (default: the kubeconfig's).")
@click.option("--token-file", type=_FILE, help="File with a bearer token for Kubeflow Pipelines (or KFP_TOKEN).")
@click.option("--cookie-file", type=_FILE, help="File with a session cookie, NAME=VALUE (or KFP_COOKIE).")
@click.option("--ca-cert", type=_FILE, help="PEM of the authority that signed the host's certificate.")
@click.option("--timeout", default=10.0, show_default=True, type=click.FloatRange(0.5, 600), help="Seconds per check.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context,
    /,
    spec_uri: str | None,
    pipeline: str,
    profile: str,
    timeout: float,
    as_json: bool,
    **options: Any,
) -> int:
    """Find out whether a run would work: each line says what was found, and what to do where it will not do.

    What is tried in the store and in MLflow lies below a name of its own and is removed again. The exit code is 0
    when no check failed, and 3 otherwise.

    \b
    Examples:
      earthenware doctor --spec pretrain.yaml
      earthenware doctor --profile cluster-gpu --host https://kubeflow.example.org/pipeline --root s3://bucket/runs
    """  # noqa: D301 - click wants the backspace character itself
    given: dict[Meaning, str] = {}
    if spec_uri:
        spec, graph = load_spec(pipeline, spec_uri), find_pipeline(pipeline)
        given = {mark_of(field.info, "means"): str(field.of(spec)) for field in fields(graph)}
    # A host that merely stands in the environment does not make this machine a cluster's.
    named = ctx.get_parameter_source("host") is ParameterSource.COMMANDLINE
    situation = Situation(
        load_profile(profile or ("cluster-cpu" if named else "laptop")),
        catalog=options["catalog"] or given.get("catalog", ""),
        tracking_uri=given.get("tracking", ""),
        connection=connection(options) if options["host"] else None,
        namespace=options["namespace"],
        seconds=timeout,
        pipeline=pipeline,
    )
    # Below work 'earthenware run' writes by default.
    root = options["root"] or given.get("root", "") or ("" if situation.on_cluster else "work")
    situation = replace(situation, root=storage.normalise(root) if root else "")
    # A terminated doctor removes what it tried, as an interrupted one does.
    with ending_on_sigterm(), environment(situation.environment):
        findings = _examine(plan(situation), situation.secrets, None if as_json else sys.stdout)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    return 3 if any(finding.state == "failed" for finding in findings) else 0


def _examine(checks: list[Check], secrets: tuple[str, ...], stream: IO[str] | None) -> list[Finding]:
    if stream is None:
        return examine(checks, secrets=secrets)
    console = Terminal(file=stream, highlight=False)
    found: dict[str, Finding] = {}
    # What is transient shows nothing where there is no terminal.
    with Live(_waiting(checks, found), console=console, refresh_per_second=8, transient=True) as live:

        def show(finding: Finding) -> None:
            found[finding.check] = finding
            live.update(_waiting(checks, found))

        findings = examine(checks, show, secrets)
    width = max(len(check.name) for check in checks)
    for finding in findings:
        _print(console, finding, width)
    counts = {state: sum(finding.state == state for finding in findings) for state in _MARKS}
    words = {"ok": "well", "warning": "to mind", "failed": "failed", "skipped": "not looked at"}
    console.print(Text(", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state]) + "."))
    return findings


def _waiting(checks: list[Check], found: dict[str, Finding]) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    for column in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if column == 2 else None)
    for check in checks:
        finding = found.get(check.name)
        mark = Text(*_MARKS[finding.state]) if finding else Spinner("dots")
        table.add_row(mark, Text(check.name, style="bold"), Text(printable(finding.sentence) if finding else ""))
    return table


def _print(console: Terminal, finding: Finding, width: int) -> None:
    mark, colour = _MARKS[finding.state]
    line = Text.assemble((mark, colour), " ", (f"{finding.check:<{width}}", "bold"), "  ", printable(finding.sentence))
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(Text(f"{'':<{width + 4}}{printable(finding.remedy)}", style="dim"), soft_wrap=True)
