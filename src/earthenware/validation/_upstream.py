"""What the steps before left beside the store: rejected records, and the items' processing baselines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.sensors import processing_baseline
from earthenware.steps import read_manifest

if TYPE_CHECKING:
    import pandas as pd

    from earthenware.steps import Manifest

_SCENES: Final = "scenes"


def builds(manifest: Manifest | None) -> list[Manifest]:
    """Return the manifests of the builds behind a store: its own, or those of the shards that were merged into it.

    A shard whose manifest is gone is left out: the merged store does not need it.
    """
    if manifest is None:
        return []
    if _SCENES in manifest.inputs:
        return [manifest]
    found = []
    for records in manifest.inputs.values():
        for record in records:
            try:
                found += builds(read_manifest(record.uri))
            except EarthenwareError:
                continue
    return found


def records_table(manifest: Manifest) -> pd.DataFrame:
    """Return one row: how many scenes a build or merge was asked for, and how many were rejected and why."""
    import pandas as pd

    records, rejected = manifest.counts[_SCENES], sum(manifest.rejects.values())
    reasons = ", ".join(
        f"{count:,} {reason}" for reason, count in sorted(manifest.rejects.items(), key=lambda one: -one[1])
    )
    row = {"records": records, "rejected": rejected, "share": rejected / max(1, records), "reasons": reasons}
    return pd.DataFrame([row])


def baselines(manifests: list[Manifest], scenes: set[str], sensor: str) -> dict[str, str]:
    """Look up the processing baselines of scenes in the tables that they were built from.

    The figures make a sentence fuller; where a table is out of reach the sentence does without them.

    Args:
        manifests: Manifests of builds.
        scenes: Ids of the scenes.
        sensor: The sensor whose items to read.

    Returns:
        Scene -> baseline, such as "05.09"; only those that were found.
    """
    found: dict[str, str] = {}
    for uri in _scene_tables(manifests) if scenes else ():
        try:
            table = storage.read_table(uri, columns=["id", sensor])
        except (FileNotFoundError, EarthenwareError):
            continue
        for row in table.to_pylist():
            if row["id"] in scenes and row[sensor]:
                baseline = _baseline(row[sensor][0])
                if baseline:
                    found[row["id"]] = baseline
    return found


def _scene_tables(manifests: list[Manifest]) -> Iterator[str]:
    uris = dict.fromkeys(record.uri for manifest in manifests for record in manifest.inputs[_SCENES])
    for uri in uris:
        yield uri if uri.endswith(".parquet") else storage.join(uri, "scenes.parquet")


def _baseline(match: dict[str, Any]) -> str:
    try:
        baseline = processing_baseline(json.loads(match["item"]))
    except (KeyError, TypeError, ValueError):
        return ""
    return "" if baseline is None else f"{baseline:05.2f}"
