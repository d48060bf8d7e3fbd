"""``earthenware init``: a commented spec and its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from earthenware.cli.specs import PIPELINES, render_yaml
from earthenware.errors import EarthenwareError


@click.command(short_help="Write a commented spec to start from.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="pretrain.yaml")
@click.option("--pipeline", type=click.Choice(sorted(PIPELINES)), default="pretrain", show_default=True)
@click.option(
    "--catalog",
    default="https://planetarycomputer.microsoft.com/api/stac/v1",
    show_default=True,
    help="STAC API address, or path or URI of an ItemCollection file.",
)
@click.option("--bbox", default="", help="Area of interest: min lon, min lat, max lon, max lat (degrees).")
@click.option("--datetime", "interval", default="", help="Time interval, such as 2022-01-01/2023-12-31 (UTC).")
@click.option("--root", default="work", show_default=True, help="Folder or s3:// prefix for all outputs.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(file: Path, pipeline: str, catalog: str, bbox: str, interval: str, root: str, force: bool) -> None:
    """Write FILE, a commented spec with every field and its default, and FILE's JSON Schema for editors.

    \b
    Examples:
      earthenware init --catalog work/sandbox/items.json pretrain.yaml
      earthenware init --bbox 5.9,49.4,6.6,50.2 --datetime 2022-04-01/2022-10-31 luxembourg.yaml
    """  # noqa: D301 - click wants the backspace character itself
    if file.exists() and not force:
        raise EarthenwareError("BAD_OPTION", f"'{file}' exists already.", "Use --force to overwrite it.")
    schema = file.with_suffix(".schema.json")
    query = {"catalog": catalog}
    query |= {"bbox": bbox} if bbox else {}
    query |= {"datetime": interval} if interval else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    document = PIPELINES[pipeline].model_json_schema(by_alias=True)
    schema.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    file.write_text(render_yaml(pipeline, {"": {"root": root}, "query": query}, schema.name), encoding="utf-8")
    click.echo(f"Wrote {file} and {schema}.\nNext: earthenware run {pipeline} --spec {file}")
