"""The page's headline, and the short table that ends a run: one list of rows for page, terminal and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from earthenware.chips import ChipStore
from earthenware.pages import NAMES, number
from earthenware.products import METHODS, PROBES, Evaluation
from earthenware.sensors import SENSORS
from earthenware.steps import Manifest

Steps = Mapping[str, Sequence[Manifest]]
"""The steps behind a report by name, several manifests where a step ran in shards."""


def headline(store: ChipStore, read: Mapping[str, Manifest], found: Evaluation) -> dict[str, Any]:
    """Return the page's first sentence (``lead``) and the figures that matter most (``tiles``).

    ``read`` holds the manifests of the report's inputs by their names.
    """
    parameters = read["model"].counts.get("parameters", 0)
    size = f" of {parameters / 1e6:.1f} million parameters" if parameters else ""
    seen = [
        f"{layout.kind} ({SENSORS[name].id if name in SENSORS else name})"
        for name, layout in store.sensors.items()
        if layout.kind != "label"
    ]
    lead = (
        f"A model{size}, pretrained on {', '.join(seen)} chips: what it was shown, what it learned, "
        "and what its embeddings tell apart."
    )
    tiles = [(f"{len(store):,}", f"chips from {_unique(store, 'site')} sites")]
    errors = found.reconstruction.overall if found.reconstruction is not None else None
    if errors is not None and errors.model is not None and errors.mean:
        tiles.append((number(errors.model, 2), f"reconstruction error; the mean has {number(errors.mean, 2)}"))
    trained, *others = (found.probes.of("linear", name) for name in ("trained", "untrained", "band_statistics"))
    if trained is not None:
        beside = ", ".join(f"{NAMES[row.features]} {row.balanced_accuracy:.2f}" for row in others if row is not None)
        tiles.append((f"{trained.balanced_accuracy:.2f}", f"balanced accuracy of a linear probe; {beside}"))
    made = read["embeddings"].counts
    tiles.append((f"{made['embeddings']:,}", f"embeddings of {made['dimensions']} dimensions"))
    return {"lead": lead, "tiles": tiles}


def summary_rows(
    store: ChipStore, read: Mapping[str, Manifest], steps: Steps, found: Evaluation
) -> list[tuple[str, str]]:
    """Return names and values for a person, in the order of the steps; see :func:`headline`."""
    rows = [("scenes", _scenes(store, steps)), ("chips", _chips(store)), ("left out", _left_out(read["chips"], steps))]
    rows.append(("loss", _losses(read["model"])))
    rows += _errors(found) + _probes(found)
    made = read["embeddings"].counts
    rows.append(("embeddings", f"{made['embeddings']:,} of {made['dimensions']} dimensions"))
    collapse = found.collapse
    if collapse is not None:
        state = "ALARM: " + "; ".join(collapse.reasons) if collapse.alarm else "no alarm"
        rank = f"effective rank {collapse.effective_rank:.1f} of {collapse.dimensions}"
        rows.append(("collapse", f"{state} ({rank})"))
    return [(name, value) for name, value in rows if value]


def _unique(store: ChipStore, name: str) -> int:
    return len(np.unique(store.column(name).astype(str)))


def _scenes(store: ChipStore, steps: Steps) -> str:
    times = [moment for moment in store.index["datetime"].to_pylist() if moment is not None]
    period = f", {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}" if times else ""
    asked = sum(manifest.counts.get("scenes", 0) for manifest in steps.get("query", ()))
    of_all = f" of {asked:,}" if asked else ""
    return f"{_unique(store, 'scene_id'):,}{of_all} with chips, {_unique(store, 'site'):,} sites{period}"


def _chips(store: ChipStore) -> str:
    splits, counts = np.unique(store.column("split").astype(str), return_counts=True)
    shares = ", ".join(f"{count:,} {split}" for split, count in zip(splits, counts, strict=True))
    return f"{len(store):,} of {store.chip_size} x {store.chip_size} pixels of {number(store.gsd)} m ({shares})"


def _left_out(chips: Manifest, steps: Steps) -> str:
    names = {"chips_dropped_cloud": "chips too cloudy", "chips_dropped_nodata": "chips without enough data"}
    parts = [f"{chips.counts[key]:,} {text}" for key, text in names.items() if chips.counts.get(key)]
    for step, manifests in steps.items():
        if step != "merge":  # which repeats the rejects of what it merged
            reasons = Counter[str]()
            for manifest in manifests:
                reasons.update(manifest.rejects)
            parts += [f"{count:,} by {step}: {reason}" for reason, count in sorted(reasons.items())]
    return "; ".join(parts) or "nothing"


def _losses(model: Manifest) -> str:
    metrics = model.metrics
    parts = []
    for name in ("train", "validation"):
        last, first = metrics.get(f"{name}_loss"), metrics.get(f"first_{name}_loss")
        if last is not None:
            parts.append(f"{name} {number(first)} to {number(last)}" if first is not None else f"{name} {number(last)}")
    epochs = model.counts.get("epochs")
    return ", ".join(parts) + (f" in {epochs} epochs" if epochs else "")


def _errors(found: Evaluation) -> list[tuple[str, str]]:
    result = found.reconstruction
    if result is None or result.overall.model is None:
        return []
    where = "held-out" if result.held_out else "training"
    text = ", ".join(f"{NAMES[method]} {number(getattr(result.overall, method))}" for method in METHODS)
    return [(f"reconstruction error, {where} sites", text)]


def _probes(found: Evaluation) -> list[tuple[str, str]]:
    if not found.probes.available:
        return [("land-cover probes", f"none: {found.probes.reason}")]
    rows = []
    for probe in PROBES:
        parts = []
        for row in (row for row in found.probes.results if row.probe == probe):
            low, high = row.interval.low, row.interval.high
            ends = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
            parts.append(f"{NAMES[row.features]} {row.balanced_accuracy:.2f}{ends}")
        rows.append((f"{NAMES[probe]}, balanced accuracy", ", ".join(parts)))
    return rows


def markdown(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [f"## {title}", "", "| | |", "|---|---|"]
    lines += ["| " + " | ".join(text.replace("|", "/") for text in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
