"""The catalog: a STAC API that can be searched, or a file of items."""

from __future__ import annotations

from earthenware import storage
from earthenware.catalog import StacApi, is_file, read_items
from earthenware.doctor._finding import Verdict, failed, ok
from earthenware.network import Patience


def check_catalog(catalog: str, seconds: float) -> Verdict:
    """Read a file of items, or search an API for one item.

    Args:
        catalog: URL of a STAC API, or URI of an ItemCollection file.
        seconds: When to give up waiting for an answer.
    """
    shown = storage.redact(catalog).rstrip("/")
    patience = Patience(retries=0, connect=seconds / 2, answer=seconds)
    if is_file(catalog):
        items = read_items(catalog, patience)
        if not items:
            return failed(f"'{shown}' holds no items.", "Save the answer of a STAC search that finds some.")
        return ok(f"'{shown}' holds {len(items):,} items.".replace(" 1 items.", " 1 item."))
    title, found = StacApi(catalog, patience).title_and_item()
    if not found:
        return failed(f"'{shown}' answers, but a search finds no item at all.", "Is the catalog filled?")
    return ok(f"'{shown}' ({title}) answers and can be searched.")
