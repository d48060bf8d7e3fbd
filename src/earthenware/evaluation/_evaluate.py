"""The evaluate step: reconstruction, probes and collapse, each beside what takes no training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.evaluation._features import encoder_features, statistics_features, untrained
from earthenware.evaluation._page import evaluation_page
from earthenware.evaluation._probe import run_probes, why_not
from earthenware.evaluation._reconstruct import Reconstruction, measure_reconstruction
from earthenware.evaluation._record import record_manifest, record_results
from earthenware.evaluation._sample import HELD_OUT, draw, held_out_chips, labelled_chips
from earthenware.evaluation._spec import EvaluateSpec
from earthenware.metrics import collapse_diagnostics
from earthenware.pages import encode_png
from earthenware.steps import Attempt, Result, StepReport, read_manifest, run_step

if TYPE_CHECKING:
    from earthenware.inference import Package

ALGORITHM_VERSION = 1
METRICS_FILE = "metrics.json"
PICTURE_SCALE = 3
"""Pixels of a picture per pixel of a chip."""
COLLAPSE_CHIPS = 1000


def evaluate(spec: EvaluateSpec, chips: str, model: str, output: str) -> StepReport:
    """Measure a pretrained model on places that it was not trained on.

    Args:
        spec: How.
        chips: URI of the chip store that the model was trained on.
        model: URI of the train step's output.
        output: Prefix that gets ``metrics.json``, ``page.html`` and ``pictures/``.

    Returns:
        The report. Where something cannot be measured (no labels, one class, no held-out place), ``metrics.json`` and
        a warning say so, and the step goes on.

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
    record_manifest(report, read_manifest(model))
    return report


class _Evaluation:
    """One attempt at an evaluation."""

    def __init__(self, spec: EvaluateSpec, chips: str, model: str, attempt: Attempt) -> None:
        from earthenware.inference import load_package

        self.spec = spec
        self.attempt = attempt
        self.store = ChipStore.open(chips)
        if not len(self.store):
            message = f"The chip store '{storage.redact(self.store.uri)}' has no chips to evaluate on."
            raise EarthenwareError("NO_CHIPS", message, "Build chips of more scenes.")
        details = read_manifest(model).details.get("model") or {}
        if not details.get("package"):
            message = f"'{storage.redact(model)}' holds no trained model."
            raise EarthenwareError("NO_MODEL", message, "Give the output of 'earthenware train'.")
        self.package: Package = load_package(storage.join(storage.normalise(model), details["package"]))

    def run(self) -> Result:
        reconstruction, drawn, split = self._reconstruction()
        probes, embeddings = self._probes(drawn)
        collapse = collapse_diagnostics(embeddings).to_json() if len(embeddings) > 1 else None
        if collapse is not None and collapse["alarm"]:
            self.attempt.warn("COLLAPSE", f"the embeddings have collapsed: {'; '.join(collapse['reasons'])}")
        pictures, files = self._pictures(reconstruction)
        found = {
            "reconstruction": {
                "split": split,
                "held_out": split == HELD_OUT,
                "units": "mean squared error of hidden pixels, in units of each band's variance over training pixels",
                "levels_known": self.package.levels_known,
                **reconstruction.to_json(),
            },
            "probes": probes,
            "collapse": collapse,
            "pictures": pictures,
        }
        metrics = flatten(found)
        self.attempt.put_json(METRICS_FILE, found)
        for path, data in files.items():
            self.attempt.put(path, data)
        page = evaluation_page(found, files).encode()
        self.attempt.put("page.html", page)
        record_results(self.attempt, metrics, {**files, "evaluation.html": page})
        counts = {"chips_reconstructed": reconstruction.chips, "pictures": len(pictures)}
        if probes["available"]:
            counts |= {"chips_probed": probes["held_out"]["chips"], "places_probed": probes["held_out"]["places"]}
        return Result(counts=counts, metrics=metrics, details={"alarm": bool(collapse and collapse["alarm"])})

    def _reconstruction(self) -> tuple[Reconstruction, NDArray[np.int64], str]:
        held_out, split = held_out_chips(self.store)
        if split != HELD_OUT:
            self.attempt.warn("NOTHING_HELD_OUT", "no chip is in the validation split: errors are of training places")
        drawn = draw(held_out, self.spec.reconstruction_chips, self.spec.seed)
        self.attempt.log(f"reconstructing {len(drawn)} chips")
        result = measure_reconstruction(
            self.store,
            self.package,
            drawn,
            shown=self._shown(drawn),
            seed=self.spec.seed,
            batch_size=self.spec.batch_size,
            device=self.spec.device,
            progress=lambda done, total: self.attempt.progress(done, total, "chips"),
        )
        return result, drawn, split

    def _shown(self, drawn: NDArray[np.int64]) -> list[int]:
        """Choose chips to show: of as many places as can be, in each the one with most of every sensor's pixels."""
        index = self.store.index
        sites = np.asarray(index["site"].to_numpy(zero_copy_only=False))[drawn].astype(str)
        missing = np.zeros(len(drawn))
        for sensor in self.package.info.sensors:
            for kind in ("nodata_fraction", "cloud_fraction"):
                name = f"{sensor.replace('-', '_')}_{kind}"
                if name in index.schema.names:
                    values = np.asarray(index[name].to_numpy(zero_copy_only=False), np.float64)[drawn]
                    missing += np.nan_to_num(values, nan=1.0 if kind == "nodata_fraction" else 0.0)
        random = np.random.default_rng([self.spec.seed, 7])
        order = np.lexsort((random.random(len(drawn)), missing))
        rank = np.empty(len(drawn), int)
        for site in np.unique(sites):
            rows = order[sites[order] == site]
            rank[rows] = np.arange(len(rows))
        chosen = np.lexsort((random.random(len(drawn)), rank))[: self.spec.pictures]
        return [int(chip) for chip in drawn[chosen]]

    def _probes(self, drawn: NDArray[np.int64]) -> tuple[dict[str, Any], NDArray[np.float32]]:
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
            none = {"available": False, "reason": reason, "train": train.summary(), "held_out": held_out.summary()}
            return none, self._encode(self.package, sample, "trained")
        chips = np.concatenate([train.indices, held_out.indices])
        trained = self._encode(self.package, chips, "trained")
        sets = {
            "trained": trained,
            "untrained": self._encode(untrained(self.package, spec.seed), chips, "untrained"),
            "band_statistics": statistics_features(self.store, self.package, chips, batch_size=spec.batch_size),
        }
        pairs = {name: (values[: len(train)], values[len(train) :]) for name, values in sets.items()}
        self.attempt.log("fitting the probes")
        results = run_probes(train, held_out, pairs, k=spec.neighbours, resamples=spec.resamples, seed=spec.seed)
        return results, trained

    def _encode(self, package: Package, chips: NDArray[np.int64], name: str) -> NDArray[np.float32]:
        self.attempt.log(f"embedding {len(chips)} chips with the {name} encoder")
        return encoder_features(
            self.store,
            package,
            chips,
            batch_size=self.spec.batch_size,
            device=self.spec.device,
            progress=lambda done, total: self.attempt.progress(done, total, "chips"),
        )

    def _pictures(self, reconstruction: Reconstruction) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
        rows, files = [], {}
        for number, (chip, panel) in enumerate(sorted(reconstruction.pictures.items())):
            record = (
                self.store.index.select(["chip_id", "site", "datetime", "lon", "lat"]).slice(chip, 1).to_pylist()[0]
            )
            moment = record["datetime"]
            path = f"pictures/reconstruction-{number:02d}.png"
            files[path] = encode_png(panel.repeat(PICTURE_SCALE, 0).repeat(PICTURE_SCALE, 1))
            rows.append({**record, "datetime": moment.isoformat() if moment else None, "path": path})
        return rows, files


def flatten(found: dict[str, Any]) -> dict[str, float]:
    """Return the numbers that are worth a place in a manifest and in MLflow, by name."""
    reconstruction = found["reconstruction"]
    values: dict[str, float | None] = {
        f"reconstruction_error_{method}": value for method, value in reconstruction["overall"].items()
    }
    for group, errors in reconstruction["groups"].items():
        values |= {f"reconstruction_error_{group}_{method}": value for method, value in errors.items()}
    for row in found["probes"].get("results", []):
        values[f"{row['probe']}_balanced_accuracy_{row['features']}"] = row["balanced_accuracy"]
    for row in found["probes"].get("differences", []):
        values[f"{row['probe']}_gain_over_{row['baseline']}"] = row["interval"]["value"]
    if found["collapse"] is not None:
        for name in ("effective_rank", "mean_cosine", "duplicate_share"):
            values[f"embedding_{name}"] = found["collapse"][name]
    return {name: float(value) for name, value in values.items() if value is not None}
