"""Putting parts together into one store: a document that names them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from earthenware import storage
from earthenware.chips._digest import combine
from earthenware.chips._format import FORMAT, FORMAT_VERSION, STORE_FILE, read_document
from earthenware.chips._layout import SensorLayout, layouts_of
from earthenware.chips._statistics import describe, merge_sums
from earthenware.errors import EarthenwareError


@dataclass(frozen=True)
class PartEntry:
    """One part of a store.

    Attributes:
        path: Where it lies: relative to the store, or an absolute URI.
        chips: Number of chips.
        digest: The part's digest.
        sums: Exact band sums, see :class:`earthenware.chips.PartSummary`.
    """

    path: str
    chips: int
    digest: str
    sums: Mapping[str, Mapping[str, Sequence[int]]]

    @classmethod
    def from_json(cls, value: Mapping[str, Any], path: str | None = None) -> PartEntry:
        """Rebuild an entry from a commit record or from ``store.json``."""
        where = value["path"] if path is None else path
        return cls(path=where, chips=int(value["chips"]), digest=value["digest"], sums=value["sums"])

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``store.json`` holds."""
        return {"path": self.path, "chips": self.chips, "digest": self.digest, "sums": self.sums}


def store_document(
    parts: Sequence[PartEntry], *, chip_size: int, gsd: float, layouts: Mapping[str, SensorLayout]
) -> dict[str, Any]:
    """Return the ``store.json`` of a store with these parts.

    Its content digest depends on the chips alone, not on how they are grouped into parts.

    Args:
        parts: The parts, in any order.
        chip_size: Edge of a chip in pixels.
        gsd: Ground sampling distance in metres.
        layouts: Sensor id -> layout.
    """
    ordered = sorted(parts, key=lambda part: part.path)
    content = combine(part.digest for part in ordered)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "chip_size": chip_size,
        "gsd": gsd,
        "sensors": {
            sensor: {**layout.to_json(), "position": position}
            for position, (sensor, layout) in enumerate(layouts.items())
        },
        "parts": [part.to_json() for part in ordered],
        "statistics": describe(merge_sums(part.sums for part in ordered), layouts),
        "chips": sum(part.chips for part in ordered),
        "content_digest": content,
    }


def write_store(
    uri: str, parts: Sequence[PartEntry], *, chip_size: int, gsd: float, sensors: Sequence[str]
) -> dict[str, Any]:
    """Write the document of a store whose parts are in place already; return it."""
    layouts = {sensor: SensorLayout.of(sensor) for sensor in sensors}
    document = store_document(parts, chip_size=chip_size, gsd=gsd, layouts=layouts)
    storage.write_json(storage.join(uri, STORE_FILE), document)
    return document


def merge_documents(stores: Sequence[str], output: str) -> dict[str, Any]:
    """Return the document of one store over the parts of several; no pixel is read and none is copied.

    Args:
        stores: URIs of chip stores of one chip size, GSD and set of sensors.
        output: Where the merged document will lie, as it names parts relative to itself where it can.

    Raises:
        EarthenwareError: ``STORES_DIFFER`` when they do not fit together, ``NO_STORES`` when there are none.
    """
    if not stores:
        raise EarthenwareError("NO_STORES", "No chip store was given to merge.", "Name at least one.")
    documents = [read_document(uri) for uri in stores]
    first = documents[0]
    for uri, document in zip(stores, documents, strict=True):
        for field in ("chip_size", "gsd", "sensors"):
            if document[field] != first[field]:
                raise EarthenwareError(
                    "STORES_DIFFER",
                    f"The chip stores '{storage.redact(stores[0])}' and '{storage.redact(uri)}' differ in '{field}'.",
                    "Merge stores that were built with one spec.",
                )
    parts: dict[str, PartEntry] = {}
    for uri, document in zip(stores, documents, strict=True):
        for part in document["parts"]:
            entry = PartEntry.from_json(part, path=_relative(part_uri(uri, part["path"]), output))
            if entry.path in parts:
                raise EarthenwareError(
                    "STORES_DIFFER", f"The part '{entry.path}' is named twice.", "Merge each store once."
                )
            parts[entry.path] = entry
    layouts = layouts_of(first)
    return store_document(list(parts.values()), chip_size=first["chip_size"], gsd=first["gsd"], layouts=layouts)


def part_uri(store: str, path: str) -> str:
    """Return where a part lies, given its path in ``store.json``: absolute, or relative to the store."""
    if "://" in path or path.startswith("/"):
        return path
    base = storage.normalise(store)
    if storage.is_local(base):
        return posixpath.normpath(posixpath.join(base, path))
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}{posixpath.normpath(posixpath.join(parts.path or '/', path))}"


def _relative(part: str, store: str) -> str:
    """Return a part's path relative to a store that lies near it, so that both can be moved together."""
    part, store = storage.normalise(part), storage.normalise(store)
    if storage.is_local(part) != storage.is_local(store):
        return part
    if storage.is_local(part):
        path = os.path.relpath(part, store)
    else:
        here, there = urlsplit(part), urlsplit(store)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return part
        path = posixpath.relpath(here.path or "/", there.path or "/")
    return part if path.startswith("../../../") else path
