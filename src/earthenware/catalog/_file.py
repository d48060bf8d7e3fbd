"""Items from an ItemCollection file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from earthenware import storage
from earthenware.catalog._text import JsonText
from earthenware.errors import EarthenwareError
from earthenware.network import Patience, fetch

_PIECE: Final = 2**22
"""Bytes that are read at once."""


def is_file(catalog: str) -> bool:
    """Return whether a catalog is a file of items rather than an API: everything but a web address without .json."""
    if catalog.startswith(("http://", "https://")):
        return catalog.split("?")[0].lower().endswith((".json", ".geojson"))
    return True


def read_items(uri: str, patience: Patience | None = None) -> Iterator[Any]:
    """Yield the features of an ItemCollection one by one, unchecked; no more than one of them is held.

    Args:
        uri: Where it is.
        patience: How long a web server is waited for.

    Raises:
        EarthenwareError: ``CATALOG_UNREACHABLE`` where there is no such file, ``NOT_JSON``, ``UNREACHABLE``,
            ``FORBIDDEN_LINK`` where it redirects to a place that it may not, or ``NOT_AN_ITEM_COLLECTION``, which may
            be known at its end only.
    """
    shown, kind, found = storage.redact(uri), None, False
    try:
        text = JsonText(_pieces(uri, patience))
        if text.peek() != "{":
            kind = type(text.value()).__name__
        else:
            for _ in text.members("{}"):
                name = text.value()
                text.take(":")
                if name == "features" and text.peek() == "[":
                    found = True
                    for _ in text.members("[]"):
                        yield text.value()
                elif (value := text.value()) and name == "type":
                    kind = value
        if text.peek():
            raise ValueError("something follows its end")
    except FileNotFoundError:
        raise _missing(uri) from None
    except (ValueError, RecursionError) as error:
        message = f"'{shown}' is not a complete JSON document: {error}."
        raise EarthenwareError("NOT_JSON", message, "Restore the file, or export the items again.") from None
    if kind != "FeatureCollection" or not found:
        wrap = "Wrap the item in an ItemCollection."
        hint = wrap if kind == "Feature" else "Give the answer of a STAC search, or an API's URL."
        raise EarthenwareError(
            "NOT_AN_ITEM_COLLECTION", f"'{shown}' is not an ItemCollection: its type is {kind or 'not given'}.", hint
        )


def _pieces(uri: str, patience: Patience | None) -> Iterator[bytes]:
    if storage.is_web(uri):
        yield fetch(uri, patience)
        return
    size = storage.size(uri)
    for offset in range(0, size, _PIECE):
        yield storage.read_ranges(uri, [(offset, min(_PIECE, size - offset))])[0]


def check_file(uri: str) -> None:
    """Look whether a file is there and can be read, as :func:`read_items` would."""
    try:
        if storage.is_web(uri):
            fetch(uri, body=False)
        elif not storage.exists(uri):
            raise _missing(uri)
        else:
            storage.read_tail(uri, 1)
    except FileNotFoundError:
        raise _missing(uri) from None


def _missing(uri: str) -> EarthenwareError:
    message = f"There is no ItemCollection file '{storage.redact(uri)}'."
    remedy = "Check the path, or give a STAC API as http(s)://; 'earthenware sandbox' makes a file."
    return EarthenwareError("CATALOG_UNREACHABLE", message, remedy)
