"""``earthenware submit``: a pipeline on a Kubeflow cluster, started, scheduled or followed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from earthenware import storage
from earthenware.cli._say import say as say_line
from earthenware.cli._submission import checked_root, cluster_spec, connection, refuse_with_attach, when
from earthenware.compiling import CompiledPipeline, Profile, compile_pipeline, load_profile
from earthenware.errors import EarthenwareError
from earthenware.graph import Pipeline, PipelineSpec, arguments, as_parameter, fields, find_pipeline, meaning
from earthenware.kubeflow import Connection, KubeflowClient, Order, connect, watch
from earthenware.kubeflow import submit as submit_order

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("pipeline")
@click.option("--spec", "spec_uri", metavar="FILE", help="YAML that 'earthenware init' wrote.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Such as root=s3://b/p; repeatable.")
@click.option("--host", envvar="KFP_HOST", default="", metavar="URL", help="Kubeflow Pipelines API (or KFP_HOST).")
@click.option("--profile", default="cluster-cpu", show_default=True, metavar="NAME|FILE", help="What the pods get.")
@click.option("--image", default="", help="Image of every step, with a tag or digest (default: the profile's).")
@click.option("--namespace", default="", help="Your namespace, where Kubeflow has several users.")
@click.option("--experiment", default="earthenware", show_default=True, help="Made when there is none of that name.")
@click.option("--run-name", default="", help="Default: PIPELINE and the time; for a recurring run PIPELINE.")
@click.option("--token-file", type=_FILE, help="File with a bearer token (or KFP_TOKEN).")
@click.option("--cookie-file", type=_FILE, help="File with a session cookie, NAME=VALUE (or KFP_COOKIE).")
@click.option("--ca-cert", type=_FILE, help="PEM of the authority that signed the host's certificate.")
@click.option("--service-account", default="", help="Of the run's pods (default: the profile's).")
@click.option("--pipeline-root", default="", metavar="URI", help="Where Kubeflow keeps pointers (default: its own).")
@click.option("--cron", default="", help="Run again and again: '0 6 * * mon' (minute hour day month weekday).")
@click.option("--interval", default="", help="Run again and again: 12h, 1d.")
@click.option("--watch", "follow", is_flag=True, help="Follow the run to its end; Ctrl-C leaves it running.")
@click.option("--attach", "run_id", default="", metavar="RUN_ID", help="Follow a run that was started before.")
@click.option("--poll", type=click.FloatRange(0.05, 600), default=5.0, show_default=True, help="Seconds between looks.")
@click.option("--json", "as_json", is_flag=True, help="Write what became of it as JSON; the rest goes to stderr.")
@click.option("--dry-run", "dry", is_flag=True, help="Check everything here and say what would be sent.")
@click.pass_context
def submit(ctx: click.Context, /, **options: Any) -> None:
    """Send PIPELINE (such as 'pretrain') to Kubeflow Pipelines and start it there.

    The pipeline is uploaded once per version of its text. The exit code with --watch is 0 when the run succeeded, 3
    when it failed, 130 after Ctrl-C, which leaves it running. A recurring run of the same name is replaced.

    \b
    Examples:
      earthenware submit pretrain --spec pretrain.yaml --set root=s3://bucket/prefix --watch \\
          --host http://localhost:8080
      earthenware submit pretrain --spec pretrain.yaml --host https://kf.example.com/pipeline --token-file token \\
          --namespace team-a --profile cluster-gpu --cron '0 6 * * mon'
      earthenware submit pretrain --attach RUN_ID --host http://localhost:8080
    """  # noqa: D301 - click wants the backspace itself, and a raw docstring would show it as two characters
    say = partial(_lines, err=options["as_json"])
    if options["run_id"]:
        refuse_with_attach(options)
        find_pipeline(options["pipeline"])
        ctx.exit(_follow(connect(connection(options)), options, say, options["run_id"], {}))
    schedule = when(options)
    profile = load_profile(options["profile"])
    spec = cluster_spec(options["pipeline"], options["spec_uri"], options["assignments"], profile)
    graph = find_pipeline(options["pipeline"])
    compiled = compile_pipeline(graph.name, profile, options["image"])
    now = graph.name if schedule else f"{graph.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    order = Order(
        parameters=arguments(graph, spec),
        run_name=options["run_name"] or now,
        experiment=options["experiment"],
        pipeline_root=checked_root(options["pipeline_root"]),
        service_account=options["service_account"] or profile.service_account,
        schedule=schedule,
    )
    if options["dry"]:
        _say_plan(graph, compiled, order, options, say)
        return
    client = connect(connection(options))
    done = submit_order(client, compiled, order)
    known = "uploaded now" if done.uploaded else "there already"
    say(f"Pipeline   {compiled.name}, version {done.version} ({known})")
    when_words = f", {schedule}{' (as it was)' if done.unchanged else ''}" if schedule else ""
    say(f"{'Recurring ' if schedule else 'Run       '} {done.name}{when_words}")
    say(f"Kubeflow   {done.url}")
    if mlflow := _mlflow(profile, graph, spec):
        say(f"MLflow     {mlflow}")
    found = {**asdict(done), "mlflow": mlflow}
    if options["follow"]:
        ctx.exit(_follow(client, options, say, done.run_id, found))
    if schedule is None:
        say(f"Follow it with: {_come_back(client, options, done.run_id)}")
    if options["as_json"]:
        click.echo(json.dumps(found))


def _lines(text: str, *, err: bool) -> None:
    for line in text.split("\n"):
        say_line(line, err=err)


def _follow(
    client: KubeflowClient, options: dict[str, Any], say: Callable[[str], None], run_id: str, found: dict[str, Any]
) -> int:
    """Follow a run and return the exit code; a failed run is an error."""
    back = _come_back(client, options, run_id)
    link = client.link("runs", run_id)
    try:
        outcome = watch(client, run_id, say, poll=options["poll"])
    except KeyboardInterrupt:
        say(f"\nNo longer watching: the run goes on.\nCome back with: {back}\nSee it at {link}")
        return 130
    except EarthenwareError as error:
        if error.code == "KFP_NOT_FOUND":
            raise
        remedy = f"{error.remedy} The run goes on without being watched; come back with: {back}"
        raise EarthenwareError(error.code, error.message, remedy) from None
    if outcome.mlflow_url:
        say(f"MLflow     {outcome.mlflow_url}")
    if options["as_json"]:
        told = ("name", "state", "seconds", "attempts")
        steps = [{name: getattr(step, name) for name in told} for step in outcome.steps]
        ended = {"run_id": run_id, "name": outcome.name, "state": outcome.state, "steps": steps, "url": link}
        click.echo(json.dumps({**found, **ended, "message": outcome.message, "log": outcome.log}))
    if outcome.state == "SUCCEEDED":
        say(f"The run '{outcome.name}' succeeded.")
        return 0
    step = outcome.failed_step
    if outcome.log:
        say("\n".join([f"The end of the log of {step}:", *(f"  | {line}" for line in outcome.log)]))
    where = f" at the step {step}" if step else ""
    because = f": {outcome.message}" if outcome.message else ""
    message = f"The run '{outcome.name}' {outcome.state.lower()}{where}{because}."
    raise EarthenwareError("RUN_FAILED", message, f"Finished steps are kept: submit it again to go on. See {link}")


def _mlflow(profile: Profile, pipeline: Pipeline, spec: PipelineSpec) -> str:
    found = [
        str(field.of(spec)) or profile.step(field.section).environment.get("MLFLOW_TRACKING_URI", "")
        for field in meaning(pipeline, "tracking")
    ]
    return next((storage.redact(uri) for uri in found if uri.startswith(("http://", "https://"))), "")


def _come_back(client: KubeflowClient, options: dict[str, Any], run_id: str) -> str:
    words = ["earthenware", "submit", options["pipeline"], "--attach", run_id, "--host", client.connection.host]
    for name in ("namespace", "token_file", "cookie_file", "ca_cert"):
        if options[name]:
            words += [f"--{name.replace('_', '-')}", str(options[name])]
    return shlex.join(words)


def _say_plan(
    graph: Pipeline, compiled: CompiledPipeline, order: Order, options: dict[str, Any], say: Callable[[str], None]
) -> None:
    where = f" at {Connection(options['host']).host}" if options["host"] else ""
    what, when_words = ("schedule the run", f", {order.schedule}") if order.schedule else ("start the run", "")
    say(f"Would upload the pipeline {compiled.name}{where} unless its version {compiled.version_name} is there,")
    say(f"and {what} '{order.run_name}' in the experiment '{order.experiment}'{when_words}.")
    say(f"Profile {options['profile']}, service account {order.service_account or 'of Kubeflow'}.")
    defaults = {field.parameter: as_parameter(field.default) for field in fields(graph)}
    for name, value in order.parameters.items():
        if defaults.get(name) != value:
            say(f"  {name} = {storage.redact_text(json.dumps(value))}")
    if options["as_json"]:
        plan = {"pipeline": compiled.name, "version": compiled.version_name, "parameters": order.parameters}
        click.echo(json.dumps({**plan, "name": order.run_name, "experiment": order.experiment}))
