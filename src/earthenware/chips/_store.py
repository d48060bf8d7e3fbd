"""Whole stores: their document from those of their parts or of other stores, and chips in memory written as one."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips._digest import combine
from earthenware.chips._document import PartEntry, SensorLayout, StoreDocument
from earthenware.chips._statistics import describe, merge_sums
from earthenware.chips._writer import ChipWriter
from earthenware.errors import EarthenwareError


def store_document(
    parts: Sequence[PartEntry], *, chip_size: int, gsd: float, layouts: Mapping[str, SensorLayout]
) -> StoreDocument:
    """Return the document of a store of chips with an edge in pixels and a GSD in metres, with these parts.

    Its content digest depends on the chips alone, not on how they are grouped into parts.
    """
    ordered = sorted(parts, key=lambda part: part.path)
    return StoreDocument(
        chip_size=chip_size,
        gsd=gsd,
        sensors=dict(layouts),
        parts=tuple(ordered),
        statistics=describe(merge_sums(part.sums for part in ordered), layouts),
        chips=sum(part.chips for part in ordered),
        content_digest=combine(part.digest for part in ordered),
    )


def write_chips(
    uri: str,
    pixels: Mapping[str, NDArray[np.int16]],
    masks: Mapping[str, NDArray[np.uint8]],
    rows: Sequence[Mapping[str, Any]],
    *,
    gsd: float,
    sensors: Sequence[str] = (),
    parts: int = 1,
    path: Callable[[str], str] = "parts/{}".format,
) -> StoreDocument:
    """Write chips that are in memory as a whole store; for more than that, see :class:`ChipWriter`.

    Args:
        uri: Where the store shall lie; nothing may lie there yet.
        pixels: Sensor id -> stored values, `[chip, band, y, x]`; of a sensor of the sensor table.
        masks: Sensor id -> flags, `[chip, y, x]`; a pixel without a value carries ``Mask.NODATA``.
        rows: Index rows of the chips, with the columns of :func:`index_schema` that are known; see
            :meth:`ChipWriter.write`.
        gsd: Ground sampling distance in metres.
        sensors: Ids of the sensors of the store, in its order; those of ``pixels`` where left out.
        parts: Number of parts to make of the chips.
        path: Gives the path of a part, relative to the store, by its number as text.

    Returns:
        The store's document.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``, or what the storage says.
        ValueError: Shapes do not fit, or there is no sensor to tell the size of a chip by.
    """
    if not pixels:
        raise ValueError("no pixels")
    chip_size, named = next(iter(pixels.values())).shape[-1], list(sensors or pixels)
    entries = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(parts):
            chosen = slice(len(rows) * number // parts, len(rows) * (number + 1) // parts)
            if not rows[chosen]:
                continue
            where = path(f"{number:03d}")
            place = storage.join(uri, where)
            folder = storage.local_path(place) if storage.is_local(place) else Path(scratch) / where
            count = len(rows[chosen])
            with ChipWriter(folder, chip_size=chip_size, gsd=gsd, sensors=named, expected=count) as writer:
                stored = {sensor: values[chosen] for sensor, values in pixels.items()}
                flags = {sensor: values[chosen] for sensor, values in masks.items()}
                writer.write(stored, flags, rows[chosen])
            if not storage.is_local(place):
                storage.upload_tree(folder, place)
            entries.append(writer.close().entry(where))
    layouts = {sensor: SensorLayout.of(sensor) for sensor in named}
    document = store_document(entries, chip_size=chip_size, gsd=gsd, layouts=layouts)
    document.write(uri)
    return document


def merge_documents(stores: Sequence[str], output: str) -> StoreDocument:
    """Return the document of one store over the parts of several; no pixel is read and none is copied.

    Args:
        stores: URIs of chip stores of one chip size, GSD and set of sensors.
        output: Where the merged document will lie, as it names parts relative to itself where it can.

    Raises:
        EarthenwareError: ``STORES_DIFFER`` when they do not fit together, ``NO_STORES`` when there are none.
    """
    if not stores:
        raise EarthenwareError("NO_STORES", "No chip store was given to merge.", "Name at least one.")
    documents = [StoreDocument.read(uri) for uri in stores]
    first = documents[0]
    for uri, document in zip(stores, documents, strict=True):
        for field in ("chip_size", "gsd", "sensors"):
            if getattr(document, field) != getattr(first, field):
                raise EarthenwareError(
                    "STORES_DIFFER",
                    f"The chip stores '{storage.redact(stores[0])}' and '{storage.redact(uri)}' differ in '{field}'.",
                    "Merge stores that were built with one spec.",
                )
    parts: dict[str, PartEntry] = {}
    for uri, document in zip(stores, documents, strict=True):
        for part in document.parts:
            entry = part.model_copy(update={"path": _relative(part_uri(uri, part.path), output)})
            if entry.path in parts:
                raise EarthenwareError(
                    "STORES_DIFFER", f"The part '{entry.path}' is named twice.", "Merge each store once."
                )
            parts[entry.path] = entry
    return store_document(list(parts.values()), chip_size=first.chip_size, gsd=first.gsd, layouts=first.sensors)


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
