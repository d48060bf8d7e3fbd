"""The report step: one page that shows the data, the model, how good it is and what its embeddings look like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.pages import Findings, render
from earthenware.products import EmbeddingProduct, Evaluation, PictureRecord, read_evaluation
from earthenware.report._cubes import FLAG_KEY, choose_cubes, cube_panels, cube_views
from earthenware.report._embedding import ColouredProduct
from earthenware.report._lineage import Lineage
from earthenware.report._lookalikes import lookalikes
from earthenware.report._maps import overview_map, site_maps
from earthenware.report._spec import ReportSpec
from earthenware.report._summary import headline, markdown, seconds_text, summary_rows
from earthenware.report._training import training_charts
from earthenware.steps import Attempt, Result, StepReport, artifact, read_artifact, run_step

ALGORITHM_VERSION = 2
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


def _write(spec: ReportSpec, inputs: dict[str, str], attempt: Attempt) -> Result:
    found = read_evaluation(inputs["evaluation"])
    product = ColouredProduct.of(EmbeddingProduct.open(inputs["embeddings"]))
    store = ChipStore.open(inputs["chips"])
    lineage = Lineage.of(inputs.values())
    attempt.log("drawing the datacubes")
    cubes = [(cube, cube_views(store, cube)) for cube in choose_cubes(store, spec.sites, spec.seed)]
    rows = summary_rows(store, lineage, found)
    timed = [*rows, ("time per step", seconds_text(lineage))]
    values = {
        "title": spec.title,
        **headline(store, lineage, found),
        "rows": timed,
        "flags": FLAG_KEY,
        **training_charts(_history(inputs["model"]), lineage),
        "found": Findings(found),
        "panels": _panels(inputs["evaluation"], found),
        "product": product,
        "overview": overview_map(product),
        "maps": site_maps(product, spec.map_sites),
        "lookalikes": lookalikes(store, product, spec.queries, spec.seed),
        **_provenance(lineage),
    }
    for longest, quality in SIZES:
        shown = [cube_panels(cube, views, product, longest, quality) for cube, views in cubes]
        page = render(__package__, "report.html", cubes=shown, **values).encode()
        if len(page) < LARGEST:
            break
    else:
        attempt.warn("LARGE_REPORT", f"the report has {len(page):,} bytes; show fewer sites or map_sites")
    attempt.put("report.html", page)
    attempt.put("summary.md", markdown(spec.title, timed).encode())
    seconds = {name: round(record.seconds, 3) for name, record in lineage.steps.items()}
    summary = {"title": spec.title, "rows": [{"name": n, "value": v} for n, v in rows], "seconds": seconds}
    attempt.put("summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return Result(counts={"sites": len(cubes), "bytes": len(page)})


def _panels(evaluation: str, found: Evaluation) -> list[tuple[PictureRecord, bytes]]:
    """Return the pictures of reconstructions as they lie beside the evaluation, each with its record."""
    return [(record, read_artifact(evaluation, record.path)) for record in found.pictures]


def _history(model: str) -> list[Mapping[str, Any]]:
    try:
        table = storage.read_table(artifact(model, "history.parquet"))
    except FileNotFoundError:
        return []
    rows: list[Mapping[str, Any]] = table.to_pylist()
    return rows


def _provenance(lineage: Lineage) -> dict[str, Any]:
    """Return where everything comes from: steps, digests, versions and specs."""
    packages: dict[str, str] = {}
    for record in lineage.steps.values():
        packages |= record.first.packages
    steps = [
        [
            f"{step} ({len(record.manifests)})" if len(record.manifests) > 1 else step,
            str(record.first.algorithm_version),
            record.first.digest[:16] if len(record.manifests) == 1 else "",
            record.first.finished,
            f"{record.seconds:.1f}",
        ]
        for step, record in lineage.steps.items()
    ]
    specs = {step: record.first.spec for step, record in lineage.steps.items()}
    return {"steps": steps, "packages": sorted(packages.items()), "specs": json.dumps(specs, indent=2)}
