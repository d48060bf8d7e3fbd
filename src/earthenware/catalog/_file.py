"""Items from an ItemCollection file."""

from __future__ import annotations

import json
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.network import Patience, fetch


def is_file(catalog: str) -> bool:
    """Return whether a catalog is a file of items rather than an API: everything but a web address without .json."""
    if catalog.startswith(("http://", "https://")):
        return catalog.split("?")[0].lower().endswith((".json", ".geojson"))
    return True


def read_items(uri: str, patience: Patience | None = None) -> list[Any]:
    """Return the features of an ItemCollection, unchecked.

    Args:
        uri: Where it is.
        patience: How long a web server is waited for.

    Raises:
        EarthenwareError: ``CATALOG_UNREACHABLE`` where there is no such file, ``NOT_JSON``, ``UNREACHABLE``,
            ``FORBIDDEN_LINK`` where it redirects to a place that it may not, or ``NOT_AN_ITEM_COLLECTION``.
    """
    shown = storage.redact(uri)
    try:
        document = json.loads(fetch(uri, patience)) if storage.is_web(uri) else storage.read_json(uri)
    except (FileNotFoundError, IsADirectoryError):
        raise _missing(uri) from None
    except ValueError as error:
        raise EarthenwareError("NOT_JSON", f"'{shown}' is not a complete JSON document: {error}.") from None
    kind = document.get("type") if isinstance(document, dict) else type(document).__name__
    if kind != "FeatureCollection" or not isinstance(document.get("features"), list):
        wrap = "Wrap the item in an ItemCollection."
        hint = wrap if kind == "Feature" else "Give the answer of a STAC search, or an API's URL."
        raise EarthenwareError(
            "NOT_AN_ITEM_COLLECTION", f"'{shown}' is not an ItemCollection: its type is {kind or 'not given'}.", hint
        )
    features: list[Any] = document["features"]
    return features


def check_file(uri: str) -> None:
    """Look whether a file is there, as :func:`read_items` would; nothing of it is read."""
    try:
        if storage.is_web(uri):
            fetch(uri, body=False)
        elif not storage.exists(uri):
            raise _missing(uri)
    except FileNotFoundError:
        raise _missing(uri) from None


def _missing(uri: str) -> EarthenwareError:
    message = f"There is no ItemCollection file '{storage.redact(uri)}'."
    remedy = "Check the path, or give a STAC API as http(s)://; 'earthenware sandbox' makes a file."
    return EarthenwareError("CATALOG_UNREACHABLE", message, remedy)
