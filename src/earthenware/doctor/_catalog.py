"""The catalog: a STAC API that can be searched, or a file of items."""

from __future__ import annotations

import warnings

from earthenware import storage
from earthenware.doctor._finding import Verdict, failed, ok
from earthenware.errors import EarthenwareError
from earthenware.network import reason

_ADDRESS = "Check the address, the network and proxies (HTTPS_PROXY)."
_ROOT = "Give the root URL of a STAC API, or an ItemCollection file, whose name ends in .json or .geojson."


def check_catalog(catalog: str, seconds: float) -> Verdict:
    """Read a file of items, or search an API for one item.

    Args:
        catalog: URL of a STAC API, or URI of an ItemCollection file.
        seconds: When to give up waiting for an answer.
    """
    file = not storage.is_web(catalog) or catalog.split("?")[0].lower().endswith((".json", ".geojson"))
    return _check_file(catalog) if file else _check_api(catalog, seconds)


def _check_file(uri: str) -> Verdict:
    shown = storage.redact(uri)
    try:
        document = storage.read_json(uri)
    except FileNotFoundError:
        return failed(f"There is no ItemCollection file '{shown}'.", "Check the path; 'earthenware sandbox' makes one.")
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        return failed(f"'{shown}' is not an ItemCollection.", _ROOT)
    if not features:
        return failed(f"'{shown}' holds no items.", "Save the answer of a STAC search that finds some.")
    return ok(f"'{shown}' holds {len(features):,} items.".replace(" 1 items.", " 1 item."))


def _check_api(url: str, seconds: float) -> Verdict:
    import pystac_client
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO

    shown = storage.redact(url).rstrip("/")
    wait = (seconds / 2, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what an API does not say about itself shows in the search
            io = StacApiIO(max_retries=None, timeout=wait)
            client = pystac_client.Client.open(url.rstrip("/"), stac_io=io, timeout=wait)
            if client.get_search_link() is None:
                return failed(f"'{shown}' is a STAC catalog without item search.", _ROOT)
            if not client.conforms_to("ITEM_SEARCH"):
                client.add_conforms_to("ITEM_SEARCH")
            page = next(client.search(limit=1, max_items=1).pages_as_dicts(), {})
    except APIError as error:
        status = getattr(error, "status_code", None)
        if status is None:
            return failed(f"The catalog '{shown}' cannot be reached: {reason(error)}.", _ADDRESS)
        if status in (401, 403):
            return failed(f"The catalog '{shown}' refuses access (HTTP {status}).", "It wants a login or a signed URL.")
        return failed(f"The catalog '{shown}' answered HTTP {status}.", _ROOT if status == 404 else "Try again later.")
    except EarthenwareError:
        raise
    except Exception as error:  # whatever pystac trips over in a document that is not STAC
        return failed(f"'{shown}' does not answer as a STAC API ({type(error).__name__}).", _ROOT)
    if not page.get("features"):
        return failed(f"'{shown}' answers, but a search finds no item at all.", "Is the catalog filled?")
    return ok(f"'{shown}' ({client.id}) answers and can be searched.")
