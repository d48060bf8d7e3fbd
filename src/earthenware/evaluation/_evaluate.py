"""The evaluate step: reconstruction, probes and collapse, each beside what takes no training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import ChipStore, column
from earthenware.errors import EarthenwareError
from earthenware.evaluation._probes import run_probes, statistics_features, why_not
from earthenware.evaluation._reconstruct import Reconstruction, measure_reconstruction
from earthenware.evaluation._sample import HELD_OUT, draw, held_out_chips, labelled_chips
from earthenware.evaluation._spec import EvaluateSpec
from earthenware.metrics import collapse_diagnostics
from earthenware.pages import Findings, encode_jpeg, render
from earthenware.products import (
    METRICS_FILE,
    Evaluation,
    Features,
    PictureRecord,
    ProbeResult,
    record_step,
    require_model,
)
from earthenware.steps import Attempt, Result, StepReport, artifact, run_step

if TYPE_CHECKING:
    from earthenware.inference import Package

_PAGE = "page.html"
ALGORITHM_VERSION = 2
COLLAPSE_CHIPS = 1000
QUALITY = 92
"""JPEG quality of the pictures: their hatching and single pixels survive it, at less than half the bytes of a PNG."""
SHOWN = 3
"""Pictures on the step's own page."""


def evaluate(spec: EvaluateSpec, chips: str, model: str, output: str) -> StepReport:
    """Measure a pretrained model on sites that it was not trained on.

    Args:
        spec: How.
        chips: URI of the chip store that the model was trained on.
        model: URI of the train step's output.
        output: Prefix that gets ``metrics.json``, ``page.html`` and ``pictures/``.

    Returns:
        The report. Where something cannot be measured (an encoder that fills in nothing, no labels, one class, no
        held-out site), ``metrics.json`` and a warning say so, and the step goes on.

    Raises:
        EarthenwareError: ``NO_CHIPS`` for an empty store, ``NO_MODEL``, or what the store or the model raises.
    """
    report = run_step(
        "evaluate",
        ALGORITHM_VERSION,
        spec=spec,
        inputs={"chips": chips, "model": model},
        output=output,
        body=lambda attempt: _Evaluation(spec, chips, model, attempt).run(),
    )
    shown = {name: name for name in report.manifest.artifacts if name.startswith("pictures/")}
    record_step(report.inputs["model"][0], report.output, report.manifest, {**shown, _PAGE: "evaluation.html"})
    return report


class _Evaluation:
    """One attempt at an evaluation."""

    def __init__(self, spec: EvaluateSpec, chips: str, model: str, attempt: Attempt) -> None:
        from earthenware.inference import load_package

        self.spec = spec
        self.attempt = attempt
        trained = require_model(attempt.input("model"), model)
        self.store = ChipStore.open(chips)
        if not len(self.store):
            message = f"The chip store '{storage.redact(self.store.uri)}' has no chips to evaluate on."
            raise EarthenwareError("NO_CHIPS", message, "Build chips of more scenes.")
        where = artifact(model, trained.package, attempt.input("model"))
        self.package: Package = load_package(where, trained.package_digest)

    def run(self) -> Result:
        reconstruction, drawn = self._reconstruction()
        probes, embeddings = self._probes(drawn)
        collapse = collapse_diagnostics(embeddings) if len(embeddings) > 1 else None
        if collapse is not None and collapse.alarm:
            self.attempt.warn("COLLAPSE", f"the embeddings have collapsed: {'; '.join(collapse.reasons)}")
        pictures = self._pictures(reconstruction) if reconstruction is not None else {}
        found = Evaluation(
            reconstruction=reconstruction.result if reconstruction is not None else None,
            probes=probes,
            collapse=collapse,
            pictures=tuple(record for record, _ in pictures.values()),
        )
        self.attempt.put_json(METRICS_FILE, found.model_dump(mode="json"))
        for path, (_, data) in pictures.items():
            self.attempt.put(path, data)
        shown = list(pictures.values())[:SHOWN]
        page = render(__package__, "evaluation.html", title="Evaluation", found=Findings(found), panels=shown).encode()
        self.attempt.put(_PAGE, page)
        counts = {"pictures": len(pictures)}
        if found.reconstruction is not None:
            counts["chips_reconstructed"] = found.reconstruction.chips
        if probes.available:
            counts |= {"chips_probed": probes.held_out.chips, "sites_probed": probes.held_out.sites}
        return Result(
            counts=counts, metrics=found.figures(), details={"alarm": collapse is not None and collapse.alarm}
        )

    def _reconstruction(self) -> tuple[Reconstruction | None, NDArray[np.int64]]:
        held_out, split = held_out_chips(self.store)
        if split != HELD_OUT:
            self.attempt.warn("NOTHING_HELD_OUT", "no chip is in the validation split: errors are of training sites")
        drawn = draw(held_out, self.spec.reconstruction_chips, self.spec.seed)
        if not self.package.can_reconstruct:
            self.attempt.warn("NO_RECONSTRUCTION", "this encoder does not fill in what is hidden: there are no errors")
            return None, drawn
        self.attempt.log(f"reconstructing {len(drawn)} chips")
        result = measure_reconstruction(
            self.store,
            self.package,
            drawn,
            split=split,
            shown=self._shown(drawn),
            spec=self.spec,
            progress=lambda done, total: self.attempt.progress(done, total, "chips"),
        )
        return result, drawn

    def _shown(self, drawn: NDArray[np.int64]) -> list[int]:
        """Choose chips to show: of as many sites as can be, in each the one with most of every sensor's pixels."""
        sites = self.store.column("site")[drawn].astype(str)
        missing = np.zeros(len(drawn))
        for sensor in self.package.info.sensors:
            for kind in ("nodata_fraction", "cloud_fraction"):
                name = column(sensor, kind)
                if name in self.store.index.schema.names:
                    values = self.store.column(name)[drawn].astype(np.float64)
                    missing += np.nan_to_num(values, nan=1.0 if kind == "nodata_fraction" else 0.0)
        random = np.random.default_rng([self.spec.seed, 7])
        order = np.lexsort((random.random(len(drawn)), missing))
        rank = np.empty(len(drawn), int)
        for site in np.unique(sites):
            rows = order[sites[order] == site]
            rank[rows] = np.arange(len(rows))
        chosen = np.lexsort((random.random(len(drawn)), rank))[: self.spec.pictures]
        return [int(chip) for chip in drawn[chosen]]

    def _probes(self, drawn: NDArray[np.int64]) -> tuple[ProbeResult, NDArray[np.float32]]:
        """Return the probes' results and the embeddings to judge collapse by."""
        spec = self.spec
        train, held_out = (
            labelled_chips(self.store, split, spec.land_cover_fraction, spec.probe_chips, spec.seed)
            for split in ("train", HELD_OUT)
        )
        reason = why_not(train, held_out)
        if reason is not None:
            self.attempt.warn("NO_PROBES", f"there are no land-cover probes: {reason}")
            sample = draw(np.union1d(drawn, np.arange(len(self.store))), COLLAPSE_CHIPS, spec.seed)
            none = ProbeResult(
                reason=reason, train=train.summary(), held_out=held_out.summary(), neighbours=spec.neighbours
            )
            return none, self._encode(self.package, sample, "trained")
        chips = np.concatenate([train.indices, held_out.indices])
        trained = self._encode(self.package, chips, "trained")
        sets: dict[Features, NDArray[Any]] = {
            "trained": trained,
            "untrained": self._encode(self.package.untrained(spec.seed), chips, "untrained"),
            "band_statistics": statistics_features(self.store, self.package, chips, batch_size=spec.batch_size),
        }
        pairs: dict[Features, tuple[NDArray[Any], NDArray[Any]]] = {
            name: (values[: len(train)], values[len(train) :]) for name, values in sets.items()
        }
        self.attempt.log("fitting the probes")
        results = run_probes(train, held_out, pairs, k=spec.neighbours, resamples=spec.resamples, seed=spec.seed)
        return results, trained

    def _encode(self, package: Package, chips: NDArray[np.int64], name: str) -> NDArray[np.float32]:
        from earthenware.inference import embed_chips

        self.attempt.log(f"embedding {len(chips)} chips with the {name} encoder")
        return embed_chips(
            self.store,
            package,
            chips,
            batch_size=self.spec.batch_size,
            device=self.spec.device,
            with_loss=False,
            progress=lambda done, total: self.attempt.progress(done, total, "chips"),
        ).embeddings

    def _pictures(self, reconstruction: Reconstruction) -> dict[str, tuple[PictureRecord, bytes]]:
        """Return path -> record and JPEG of every chip that is shown."""
        found = {}
        for number, (chip, panel) in enumerate(sorted(reconstruction.pictures.items())):
            columns = ["chip_id", "site", "datetime", "lon", "lat"]
            row = self.store.index.select(columns).slice(chip, 1).to_pylist()[0]
            path = f"pictures/reconstruction-{number:02d}.jpg"
            record = PictureRecord(**row, views=reconstruction.views, path=path)
            found[path] = (record, encode_jpeg(panel, QUALITY))
        return found
