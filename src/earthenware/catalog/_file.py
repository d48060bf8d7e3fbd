"""Items from an ItemCollection file."""

from __future__ import annotations

from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.network import Patience, guarded_session, reason


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
        EarthenwareError: ``CATALOG_UNREACHABLE`` where there is no such file, ``CATALOG_ERROR``, ``NOT_JSON``,
            ``FORBIDDEN_LINK`` where it redirects to a place that it may not, or ``NOT_AN_ITEM_COLLECTION``.
    """
    shown = storage.redact(uri)
    try:
        document = _read_web(uri, patience or Patience()) if storage.is_web(uri) else storage.read_json(uri)
    except (FileNotFoundError, IsADirectoryError):
        raise _missing(uri) from None
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
    """Look whether a file is there; one on the web that leads astray is found before anybody else reads it.

    Raises:
        EarthenwareError: See :func:`read_items`.
    """
    try:
        if storage.is_web(uri):
            _fetch(uri, Patience()).close()
        elif not storage.exists(uri):
            raise FileNotFoundError(uri)
    except FileNotFoundError:
        raise _missing(uri) from None


def _missing(uri: str) -> EarthenwareError:
    message = f"There is no ItemCollection file '{storage.redact(uri)}'."
    remedy = "Check the path, or give a STAC API as http(s)://; 'earthenware sandbox' makes a file."
    return EarthenwareError("CATALOG_UNREACHABLE", message, remedy)


def _fetch(uri: str, patience: Patience) -> Any:
    import requests  # type: ignore[import-untyped]  # its stubs are a package of their own

    shown = storage.redact(uri)
    try:
        answer = guarded_session(uri, patience).get(uri, timeout=patience.timeout, stream=True)
    except requests.RequestException as error:
        message = f"Could not fetch the catalog '{shown}': {reason(error)}."
        raise EarthenwareError("CATALOG_UNREACHABLE", message, "Check the URL and the network.") from None
    if answer.status_code == 404:
        raise FileNotFoundError(shown)
    if not answer.ok:
        message = f"The catalog '{shown}' answered HTTP {answer.status_code}."
        raise EarthenwareError("CATALOG_ERROR", message, "Does it want a login, or a signature that ran out?")
    return answer


def _read_web(uri: str, patience: Patience) -> Any:
    with _fetch(uri, patience) as answer:
        try:
            return answer.json()
        except ValueError as error:
            message = f"'{storage.redact(uri)}' is not a complete JSON document: {error}."
            raise EarthenwareError("NOT_JSON", message) from None
