"""The report step: one page that shows the data, the model, how good it is and what its embeddings look like."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.evaluation import _sections
from earthenware.evaluation._evaluate import METRICS_FILE, PICTURE_SCALE
from earthenware.evaluation._html import document
from earthenware.evaluation._lineage import trace
from earthenware.evaluation._mosaic import choose_cubes, cube_views
from earthenware.evaluation._product import read_product
from earthenware.evaluation._spec import ReportSpec
from earthenware.evaluation._summary import markdown, seconds_text, summary_rows
from earthenware.steps import Attempt, Result, StepReport, run_step

ALGORITHM_VERSION = 1
LARGEST = 950_000
"""Bytes of a page that still goes through a mail or a Kubeflow UI without trouble."""
SIZES = ((288, 82), (256, 76), (208, 72), (160, 66), (112, 60))
"""Longest edge in pixels and JPEG quality of a datacube's pictures, tried in this order until the page is small."""


def report(spec: ReportSpec, chips: str, model: str, evaluation: str, embeddings: str, output: str) -> StepReport:
    """Write the report.

    Args:
        spec: What to show.
        chips: URI of the chip store.
        model: URI of the train step's output.
        evaluation: URI of the evaluate step's output.
        embeddings: URI of the embed step's output.
        output: Prefix that gets ``report.html`` (self-contained, below 1 MB), ``summary.md`` and ``summary.json``.

    Returns:
        The report of the step.

    Raises:
        EarthenwareError: ``NOT_EVALUATED`` or ``NO_PRODUCT`` when an input is of another kind, or what reading raises.
    """
    inputs = {"chips": chips, "model": model, "evaluation": evaluation, "embeddings": embeddings}
    return run_step(
        "report",
        ALGORITHM_VERSION,
        spec=spec,
        inputs=inputs,
        output=output,
        body=lambda attempt: _write(spec, inputs, attempt),
    )


@dataclass(frozen=True)
class _Panel:
    caption: dict[str, Any]
    pixels: NDArray[np.uint8]


def _write(spec: ReportSpec, inputs: dict[str, str], attempt: Attempt) -> Result:
    store = ChipStore.open(inputs["chips"])
    lineage = trace(inputs)
    found = _found(inputs["evaluation"])
    product = read_product(inputs["embeddings"])
    attempt.log("drawing the datacubes")
    cubes = [(cube, cube_views(store, cube)) for cube in choose_cubes(store, spec.places, spec.seed)]
    panels = _panels(inputs["evaluation"], found)
    rows = summary_rows(store, lineage, found)
    history = _history(inputs["model"])
    page = ""
    for longest, quality in SIZES:
        body = [
            _sections.head(spec.title, store, lineage, found),
            _sections.summary([*rows, ("time per step", seconds_text(lineage))]),
            _sections.datacubes(store, product, cubes, longest, quality),
            _sections.training(history, lineage),
            _sections.reconstructions(found, [(panel.caption, panel.pixels) for panel in panels], quality),
            _sections.probes(found),
            _sections.embeddings(product, spec.map_places),
            _sections.neighbours(store, product, spec.queries, spec.seed),
            _sections.provenance(lineage),
        ]
        page = document(spec.title, "\n".join(part for part in body if part))
        if len(page.encode()) < LARGEST:
            break
    else:
        attempt.warn("LARGE_REPORT", f"the report has {len(page.encode()):,} bytes; show fewer places or map_places")
    attempt.put("report.html", page.encode())
    attempt.put("summary.md", markdown(spec.title, [*rows, ("time per step", seconds_text(lineage))]).encode())
    seconds = {name: round(record.seconds, 3) for name, record in lineage.steps.items()}
    summary = {"title": spec.title, "rows": [{"name": n, "value": v} for n, v in rows], "seconds": seconds}
    attempt.put("summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return Result(counts={"places": len(cubes), "bytes": len(page.encode())})


def _found(evaluation: str) -> dict[str, Any]:
    try:
        found = storage.read_json(storage.join(storage.normalise(evaluation), METRICS_FILE))
    except FileNotFoundError:
        found = None
    if not isinstance(found, dict) or "reconstruction" not in found:
        message = f"'{storage.redact(evaluation)}' holds no evaluation."
        raise EarthenwareError("NOT_EVALUATED", message, "Give the output of 'earthenware evaluate'.")
    return found


def _panels(evaluation: str, found: dict[str, Any]) -> list[_Panel]:
    """Read the pictures of reconstructions back at one pixel per pixel of a chip."""
    from PIL import Image

    result = []
    for row in found["pictures"]:
        data = storage.read_bytes(storage.join(storage.normalise(evaluation), row["path"]))
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        result.append(_Panel(row, pixels[::PICTURE_SCALE, ::PICTURE_SCALE]))
    return result


def _history(model: str) -> list[dict[str, Any]]:
    try:
        table = storage.read_table(storage.join(storage.normalise(model), "history.parquet"))
    except FileNotFoundError:
        return []
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
