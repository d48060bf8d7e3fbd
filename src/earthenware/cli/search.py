"""``earthenware search``: more places like this one."""

from __future__ import annotations

import click

from earthenware import storage
from earthenware.errors import EarthenwareError, printable
from earthenware.graph import newest
from earthenware.steps import EventLog


def find_product(uri: str) -> str:
    """Return the embedding product at ``uri`` or its table, or the newest one below it when it is a run's root."""
    from earthenware.products import EMBEDDINGS_FILE

    normal = storage.normalise(uri)
    if normal.endswith(".parquet") or storage.exists(storage.join(normal, EMBEDDINGS_FILE)):
        return normal
    events = EventLog("search")
    product = newest(uri, "embed", lambda message: events.emit("warning", code="OUTPUT_DAMAGED", message=message))
    if product is None:
        message = f"There is no embedding product at or below '{storage.redact(uri)}'."
        raise EarthenwareError("NO_PRODUCT", message, "Give the output of 'embed', or the root of a finished run.")
    return product


@click.command()
@click.argument("product")
@click.option("--chip-id", help="Look for chips like this one.")
@click.option("--lonlat", nargs=2, type=float, metavar="LON LAT", help="Look for chips like the one here (degrees).")
@click.option("--count", "-k", default=5, show_default=True, type=click.IntRange(1, 10_000), help="How many to return.")
@click.option("--other-sites", is_flag=True, help="Leave out chips of the same site.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(
    product: str,
    chip_id: str | None,
    lonlat: tuple[float, float] | None,
    count: int,
    other_sites: bool,
    as_json: bool,
) -> None:
    """Find the chips of PRODUCT that are most like a chip or a place, by exact search.

    PRODUCT is the output of 'embed', its Parquet file, or the root of a run, whose newest product is taken.

    \b
    Examples:
      earthenware search work --lonlat -48.1 -25.3
      earthenware search work --chip-id S2_T22JBS_20210723-000-001 -k 10 --other-sites
    """  # noqa: D301 - click wants the backspace character itself
    if (chip_id is None) == (lonlat is None):
        raise EarthenwareError("BAD_OPTION", "Give either --chip-id or --lonlat.")
    import json

    from earthenware.embeddings import search as run

    found = run(find_product(product), chip_id=chip_id, lonlat=lonlat, k=count, other_sites=other_sites)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    click.echo(
        f"Like {printable(found.query.id)} ({found.query.lon:.5f}, {found.query.lat:.5f}), of {found.rows} chips:"
    )
    click.echo(f"  {'distance':>8}  {'longitude':>10} {'latitude':>9}  {'date':<10}  chip")
    for match in found:
        date = f"{match.datetime:%Y-%m-%d}" if match.datetime else "unknown"
        click.echo(f"  {match.distance:8.4f}  {match.lon:10.5f} {match.lat:9.5f}  {date:<10}  {printable(match.id)}")
