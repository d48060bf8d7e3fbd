"""The short table that ends a run: one list of rows for the page, the terminal and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from earthenware.chips import ChipStore
from earthenware.evaluation._findings import NAMES
from earthenware.evaluation._html import number
from earthenware.evaluation._lineage import Lineage
from earthenware.steps import describe_seconds


def summary_rows(store: ChipStore, lineage: Lineage, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values for a person, in the order of the steps."""
    rows = [("scenes", _scenes(store, lineage)), ("chips", _chips(store)), ("left out", _left_out(lineage))]
    rows.append(("loss", _losses(lineage)))
    rows += _errors(found) + _probes(found)
    embed = lineage.counts("embed")
    if embed:
        rows.append(("embeddings", f"{embed.get('embeddings', 0):,} of {embed.get('dimensions', 0)} dimensions"))
    collapse = found.get("collapse")
    if collapse:
        state = "ALARM: " + "; ".join(collapse["reasons"]) if collapse["alarm"] else "no alarm"
        rank = f"effective rank {collapse['effective_rank']:.1f} of {collapse['dimensions']}"
        rows.append(("collapse", f"{state} ({rank})"))
    return [(name, value) for name, value in rows if value]


def _unique(store: ChipStore, name: str) -> int:
    return len(np.unique(np.asarray(store.index[name].to_numpy(zero_copy_only=False)).astype(str)))


def _scenes(store: ChipStore, lineage: Lineage) -> str:
    times = [moment for moment in store.index["datetime"].to_pylist() if moment is not None]
    period = f", {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}" if times else ""
    asked = lineage.counts("query").get("scenes")
    of_all = f" of {asked:,}" if asked else ""
    return f"{_unique(store, 'scene_id'):,}{of_all} with chips, {_unique(store, 'site'):,} places{period}"


def _chips(store: ChipStore) -> str:
    splits, counts = np.unique(
        np.asarray(store.index["split"].to_numpy(zero_copy_only=False)).astype(str), return_counts=True
    )
    shares = ", ".join(f"{count:,} {split}" for split, count in zip(splits, counts, strict=True))
    return f"{len(store):,} of {store.chip_size} x {store.chip_size} pixels of {number(store.gsd)} m ({shares})"


def _left_out(lineage: Lineage) -> str:
    build = lineage.counts("build") or lineage.counts("merge")
    names = {"chips_dropped_cloud": "chips too cloudy", "chips_dropped_nodata": "chips without enough data"}
    parts = [f"{build[key]:,} {text}" for key, text in names.items() if build.get(key)]
    for step, reasons in lineage.rejects.items():
        parts += [f"{count:,} by {step}: {reason}" for reason, count in reasons.items()]
    return "; ".join(parts) or "nothing"


def _losses(lineage: Lineage) -> str:
    if "train" not in lineage.steps:
        return ""
    metrics = lineage.steps["train"].first.metrics
    parts = []
    for name in ("train", "validation"):
        last, first = metrics.get(f"{name}_loss"), metrics.get(f"first_{name}_loss")
        if last is not None:
            parts.append(f"{name} {number(first)} to {number(last)}" if first is not None else f"{name} {number(last)}")
    epochs = lineage.counts("train").get("epochs")
    return ", ".join(parts) + (f" in {epochs} epochs" if epochs else "")


def _errors(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    errors = found["reconstruction"]["overall"]
    if errors["model"] is None:
        return []
    where = "held-out" if found["reconstruction"]["held_out"] else "training"
    text = ", ".join(f"{NAMES[method]} {number(errors[method])}" for method in ("model", "bilinear", "mean"))
    return [(f"reconstruction error, {where} places", text)]


def _probes(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    probes = found["probes"]
    if not probes["available"]:
        return [("land-cover probes", f"none: {probes['reason']}")]
    rows = []
    for probe, name in (("linear", "linear probe"), ("knn", "nearest-neighbour probe")):
        parts = []
        for row in probes["results"]:
            if row["probe"] == probe:
                interval = row["interval"]
                ends = "" if interval["low"] is None else f" ({interval['low']:.2f} to {interval['high']:.2f})"
                parts.append(f"{NAMES[row['features']]} {row['balanced_accuracy']:.2f}{ends}")
        rows.append((f"{name}, balanced accuracy", ", ".join(parts)))
    return rows


def seconds_text(lineage: Lineage) -> str:
    """Return how long each step took."""
    return ", ".join(f"{name} {describe_seconds(record.seconds)}" for name, record in lineage.steps.items())


def markdown(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [f"## {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in ((a.replace("|", "/"), b.replace("|", "/")) for a, b in rows)]
    return "\n".join(lines) + "\n"
