"""The chip store's document, ``store.json``: its version and how an older one is read.

Migration rule: the version is raised whenever a reader of the previous version would misread a new store. Whoever
raises it adds to :data:`MIGRATIONS` the function that turns a document of the previous version into the new one; old
stores then stay readable for ever, as each document passes through all functions from its own version on. Parts on
disk are never rewritten. A store newer than the software is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError

FORMAT = "earthenware-chips"
FORMAT_VERSION = 1
STORE_FILE = "store.json"
INDEX_FILE = "chips.parquet"
PIXELS = "pixels.zarr"

Document = dict[str, Any]

MIGRATIONS: dict[int, Callable[[Document], Document]] = {}
"""Format version -> the function that turns its documents into those of the next version. Version 1 is the first."""

_REQUIRED = ("chip_size", "gsd", "sensors", "parts", "statistics", "chips", "content_digest")


def migrate(
    document: Mapping[str, Any],
    where: str,
    *,
    version: int = FORMAT_VERSION,
    migrations: Mapping[int, Callable[[Document], Document]] = MIGRATIONS,
) -> Document:
    """Bring a document to the current format version.

    Args:
        document: A parsed ``store.json``.
        where: The store's URI, for messages.
        version: The version to reach.
        migrations: The functions to pass through.

    Raises:
        EarthenwareError: ``NOT_A_CHIP_STORE`` for another kind of document, ``STORE_TOO_NEW`` for a newer one.
    """
    found = document.get("format_version")
    if document.get("format") != FORMAT or not isinstance(found, int) or found < 1:
        raise EarthenwareError(
            "NOT_A_CHIP_STORE",
            f"'{storage.redact(where)}' is not a chip store: its {STORE_FILE} says format {document.get('format')!r}.",
            "Give the output of 'earthenware build'.",
        )
    if found > version:
        raise EarthenwareError(
            "STORE_TOO_NEW",
            f"The chip store '{storage.redact(where)}' has format version {found}; this version reads up to {version}.",
            "Update Earthenware, or build the store again with this version.",
        )
    current = dict(document)
    for step in range(found, version):
        current = {**migrations[step](current), "format_version": step + 1}
    return current


def read_document(uri: str) -> Document:
    """Read and check a store's document.

    Raises:
        EarthenwareError: ``NOT_A_CHIP_STORE``, ``STORE_TOO_NEW``, or what the storage says.
    """
    try:
        found = storage.read_json(storage.join(uri, STORE_FILE))
    except FileNotFoundError as error:
        raise EarthenwareError(
            "NOT_A_CHIP_STORE",
            f"'{storage.redact(uri)}' holds no chip store: {STORE_FILE} is missing.",
            "Give the output of 'earthenware build', after it has finished.",
        ) from error
    document = migrate(found if isinstance(found, dict) else {}, uri)
    missing = [field for field in _REQUIRED if field not in document]
    if missing:
        raise EarthenwareError(
            "NOT_A_CHIP_STORE",
            f"'{storage.redact(uri)}/{STORE_FILE}' lacks the field '{missing[0]}'.",
            "Build or merge the store again.",
        )
    return document
