"""``earthenware init``: a commented spec and its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from earthenware import storage
from earthenware.cli._say import say
from earthenware.errors import EarthenwareError
from earthenware.graph import PIPELINES, commented_yaml, fields, find_pipeline, spec_type
from earthenware.steps import mark_of


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--pipeline", type=click.Choice(list(PIPELINES)), default=next(iter(PIPELINES)), show_default=True)
@click.option("--catalog", default="", help="STAC API address, or path or URI of an ItemCollection file.")
@click.option("--bbox", "area", default="", help="Area of interest: min lon, min lat, max lon, max lat (degrees).")
@click.option("--datetime", "time", default="", help="Time interval, such as 2022-01-01/2023-12-31 (UTC).")
@click.option("--root", default="", help="Folder or s3:// prefix for all outputs (default: work).")
@click.option("--tracking-uri", "tracking", default="", help="MLflow server, or 'off'.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(file: Path | None, pipeline: str, force: bool, **options: str) -> None:
    """Write FILE, a commented spec with every field and its default, and FILE's JSON Schema for editors.

    \b
    Examples:
      earthenware init --catalog work/sandbox/items.json pretrain.yaml
      earthenware init --bbox 5.9,49.4,6.6,50.2 --datetime 2022-04-01/2022-10-31 luxembourg.yaml
    """  # noqa: D301 - click wants the backspace character itself
    file = file or Path(f"{pipeline}.yaml")
    if file.exists() and not force:
        raise EarthenwareError("BAD_OPTION", f"'{file}' exists already.", "Use --force to overwrite it.")
    graph = find_pipeline(pipeline)
    # Each option bears the name of what it means to a field.
    found = [(field.path, options.get(mark_of(field.info, "means"))) for field in fields(graph)]
    given = {path: value for path, value in found if value}
    schema = file.with_suffix(".schema.json")
    document = spec_type(graph).model_json_schema(by_alias=True)
    storage.write_bytes(str(schema.absolute()), f"{json.dumps(document, indent=2)}\n".encode())
    storage.write_bytes(str(file.absolute()), commented_yaml(graph, given, schema.name).encode())
    say(f"Wrote {file} and {schema}.")
    say(f"Next: earthenware run {pipeline} --spec {file}")
