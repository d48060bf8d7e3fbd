"""``earthenware sandbox``: a small synthetic Earth."""

from __future__ import annotations

import click

from earthenware.processes import step_process
from earthenware.steps import describe_seconds, override, parse_spec


@click.command()
@click.argument("folder", default="work/sandbox")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a field; see below.")
def sandbox(folder: str, assignments: tuple[str, ...]) -> None:
    """Make a small synthetic Earth in FOLDER: a STAC catalog (items.json) and the images it names.

    Sentinel-2 with clouds and shadows, Sentinel-1 with speckle, a DEM and a land-cover map, over places with fields,
    towns, rivers and woods; made from a seed, so everybody's is the same. It stands in for a catalog where there is
    no network, and it takes about a minute.

    \b
    Fields that --set changes: seed, places, dates, size (pixels of 10 m), collections, workers. Example:
      earthenware sandbox work/sandbox --set places=6 --set dates=2 --set size=256
    With Landsat and Sentinel-1 GRD of the same ground:
      earthenware sandbox work/sandbox --set collections=sentinel-2-l2a,landsat-c2-l2,sentinel-1-grd
    """  # noqa: D301 - click wants the backspace character itself
    from earthenware.sandbox import SandboxSpec, make_sandbox

    spec = parse_spec(SandboxSpec, override({}, assignments), "sandbox")
    with step_process():
        summary = make_sandbox(spec, folder)
    rows = [("places", summary.places), *summary.items.items(), ("files", summary.files)]
    for key, value in [*rows, ("megabytes", round(summary.bytes / 1e6)), ("catalog", summary.catalog)]:
        click.echo(f"{key:>18}  {value}")
    said = "was there already" if summary.reused else f"made in {describe_seconds(summary.seconds)}"
    click.echo(f"The sandbox {said}. Next: earthenware init --catalog {summary.catalog} pretrain.yaml")
