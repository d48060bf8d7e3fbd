"""Items from an ItemCollection file."""

from __future__ import annotations

from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError


def is_file(catalog: str) -> bool:
    """Return whether a catalog is a file of items rather than an API: everything but a web address without .json."""
    if catalog.startswith(("http://", "https://")):
        return catalog.split("?")[0].lower().endswith((".json", ".geojson"))
    return True


def read_items(uri: str) -> list[Any]:
    """Return the features of an ItemCollection, unchecked.

    Raises:
        EarthenwareError: ``CATALOG_UNREACHABLE`` where there is no such file, ``NOT_JSON``, or
            ``NOT_AN_ITEM_COLLECTION``.
    """
    shown = storage.redact(uri)
    try:
        document = storage.read_json(uri)
    except (FileNotFoundError, IsADirectoryError):
        raise EarthenwareError(
            "CATALOG_UNREACHABLE",
            f"There is no ItemCollection file '{shown}'.",
            "Check the path, or give a STAC API as http(s)://.",
        ) from None
    kind = document.get("type") if isinstance(document, dict) else type(document).__name__
    if kind != "FeatureCollection" or not isinstance(document.get("features"), list):
        wrap = "Wrap the item in an ItemCollection."
        hint = wrap if kind == "Feature" else "Give the answer of a STAC search, or an API's URL."
        raise EarthenwareError(
            "NOT_AN_ITEM_COLLECTION", f"'{shown}' is not an ItemCollection: its type is {kind or 'not given'}.", hint
        )
    features: list[Any] = document["features"]
    return features
