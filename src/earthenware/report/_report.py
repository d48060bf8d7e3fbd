"""The report step: one page that shows the data, the model, how good it is and what its embeddings look like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.pages import Findings, line_chart, render
from earthenware.products import EmbeddingProduct, read_evaluation
from earthenware.report._cubes import FLAG_KEY, choose_cubes, cube_panels, cube_views
from earthenware.report._lookalikes import lookalikes
from earthenware.report._maps import ColouredProduct, overview_map, site_maps
from earthenware.report._spec import ReportSpec
from earthenware.report._summary import Steps, headline, markdown, summary_rows
from earthenware.steps import (
    Attempt,
    Manifest,
    Result,
    StepReport,
    describe_seconds,
    lineage,
    read_artifact,
    run_step,
)

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
    behind = lineage(*inputs.values())
    read = {name: behind[storage.normalise(uri)] for name, uri in inputs.items()}
    steps: dict[str, list[Manifest]] = {}
    for manifest in behind.values():
        steps.setdefault(manifest.step, []).append(manifest)
    seconds = {step: sum(one.seconds.get("total", 0.0) for one in some) for step, some in steps.items()}
    attempt.log("drawing the datacubes")
    cubes = [(cube, cube_views(store, cube)) for cube in choose_cubes(store, spec.sites, spec.seed)]
    rows = summary_rows(store, read, steps, found)
    timed = [*rows, ("time per step", ", ".join(f"{name} {describe_seconds(s)}" for name, s in seconds.items()))]
    values = {
        "title": spec.title,
        **headline(store, read, found),
        "rows": timed,
        "flags": FLAG_KEY,
        **_training(inputs["model"], read["model"]),
        "found": Findings(found),
        "panels": [(one, read_artifact(inputs["evaluation"], one.path)) for one in found.pictures],
        "product": product,
        "overview": overview_map(product),
        "maps": site_maps(product, spec.map_sites),
        "lookalikes": lookalikes(store, product, spec.queries, spec.seed),
        **_provenance(steps, seconds),
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
    summary = {
        "title": spec.title,
        "rows": [{"name": name, "value": value} for name, value in rows],
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
    }
    attempt.put("summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return Result(counts={"sites": len(cubes), "bytes": len(page)})


def _training(model: str, manifest: Manifest) -> dict[str, Any]:
    """Return how training went, as charts that are empty where it is not known, and the share of hidden patches."""
    try:
        rows: list[dict[str, Any]] = storage.parse_table(read_artifact(model, "history.parquet"), model).to_pylist()
    except FileNotFoundError:
        rows = []

    def chart(label: str, *lines: tuple[str, str, str], scale: float = 1.0) -> Any:
        series = [
            (name, kind, [None if row.get(column) is None else scale * row[column] for row in rows])
            for name, kind, column in lines
        ]
        return line_chart([float(row["epoch"]) for row in rows], series, x_label="epoch", y_label=label)

    return {
        "losses": chart(
            "loss: mean squared error of hidden patches",
            ("training", "a", "train_loss"),
            ("validation", "b", "validation_loss"),
        ),
        "rate": chart(
            "learning rate at the end of the epoch (thousandths)", ("rate", "c", "learning_rate"), scale=1000.0
        ),
        "hidden": 100 * manifest.spec["mask_ratio"] if "mask_ratio" in manifest.spec else None,
    }


def _provenance(steps: Steps, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Return where everything comes from: steps, digests, versions and specs."""
    packages: dict[str, str] = {}
    rows = []
    for step, (first, *others) in steps.items():
        packages |= first.packages
        name, digest = (f"{step} ({1 + len(others)})", "") if others else (step, first.digest[:16])
        rows.append([name, str(first.algorithm_version), digest, first.finished, f"{seconds[step]:.1f}"])
    specs = {step: manifests[0].spec for step, manifests in steps.items()}
    return {"steps": rows, "packages": sorted(packages.items()), "specs": json.dumps(specs, indent=2)}
