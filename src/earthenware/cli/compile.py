"""``earthenware compile``: a pipeline's YAML for a cluster, by a profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from earthenware import storage
from earthenware.cli._say import say
from earthenware.compiling import Profile, compile_pipeline, load_profile, manifests, shipped_profiles, show_profile

_HELP: Final = """Write PIPELINE (such as 'pretrain') as Kubeflow runs it, with a profile applied to every step.

A profile says in one place what the steps need of a cluster: image, CPU, memory, accelerators, nodes, secrets by
their names, retries, time limits, queue. Equal input gives equal output, byte for byte.

\b
Examples:
  earthenware compile pretrain --profile cluster-cpu -o pretrain.yaml
  earthenware compile pretrain --profile mine.yaml --image registry.example.com/eo/earthenware-python:1.2.3
  earthenware compile pretrain --profile cluster-gpu --format manifests --namespace kubeflow | kubectl apply -f -

\b
A profile of one's own is a few lines over a shipped one:
  earthenware compile --list-profiles
  earthenware compile --profile cluster-cpu --show-profile > mine.yaml
"""
_FORM: Final = "Kubeflow's pipeline YAML, or Pipeline and PipelineVersion objects for kubectl apply."
_FORMS: Final = click.Choice(["pipeline", "manifests"])
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.command("compile", help=_HELP)
@click.argument("pipeline", required=False)
@click.option("--profile", default="laptop", show_default=True, metavar="NAME|FILE", help="A shipped one, or a YAML.")
@click.option("--image", default="", help="Image of every step, with a tag or a digest; wins over the profile's.")
@click.option("--format", "form", type=_FORMS, default="pipeline", show_default=True, help=_FORM)
@click.option("--namespace", default="", help="Namespace of the objects (with --format manifests).")
@click.option("-o", "--output", type=_FILE, help="File to write; standard output where it is left out.")
@click.option("--list-profiles", is_flag=True, help="List the shipped profiles and stop.")
@click.option("--show-profile", "show", is_flag=True, help="Print the profile with every field explained, and stop.")
@click.option("--profile-schema", is_flag=True, help="Print the JSON Schema of a profile, for editors, and stop.")
def compile_(
    pipeline: str | None,
    profile: str,
    image: str,
    form: str,
    namespace: str,
    output: Path | None,
    list_profiles: bool,
    show: bool,
    profile_schema: bool,
) -> None:
    """Compile, or show profiles."""
    said = "What was asked for"
    if list_profiles:
        text = "".join(f"{name:<12} {load_profile(name).description}\n" for name in shipped_profiles())
    elif profile_schema:
        text = json.dumps(Profile.model_json_schema(), indent=2) + "\n"
    elif show:
        text = show_profile(load_profile(profile))
    elif pipeline is None:
        raise click.UsageError("Which pipeline? For example: earthenware compile pretrain --profile cluster-cpu")
    else:
        if namespace and form != "manifests":
            raise click.UsageError("--namespace goes with --format manifests: a pipeline's YAML has no namespace.")
        compiled = compile_pipeline(pipeline, load_profile(profile), image)
        text = manifests(compiled, namespace) if form == "manifests" else compiled.text
        said = f"{compiled.name}, version {compiled.version_name}"
    if output is None:
        click.echo(text, nl=False)
    else:
        storage.write_bytes(str(output.absolute()), text.encode())
        say(f"{said}, written to {output}.", err=True)
