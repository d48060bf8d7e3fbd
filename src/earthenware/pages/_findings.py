"""What an evaluation found, in words, charts and tables, for every page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, get_args

from earthenware.metrics import Interval
from earthenware.pages._charts import Dot, DotRow, dot_chart
from earthenware.pages._html import number
from earthenware.products import METHODS, PROBES, Errors, Evaluation, Features
from earthenware.sensors import SENSORS

if TYPE_CHECKING:
    from markupsafe import Markup

FEATURES: Final[tuple[Features, ...]] = get_args(Features)

NAMES: Final[Mapping[str, str]] = {
    "trained": "pretrained",
    "untrained": "untrained",
    "band_statistics": "band statistics",
    "knn": "nearest-neighbour probe",
    "linear": "linear probe",
    "model": "model",
    "bilinear": "bilinear inpainting",
    "mean": "mean",
}
"""What is compared, as a reader calls it."""

KINDS: Final[Mapping[str, str]] = {
    **{"trained": "a", "untrained": "c", "band_statistics": "b"},
    **{"model": "a", "bilinear": "b", "mean": "c"},
}
"""Their colours and shapes."""

GROUPS: Final[Mapping[str, str]] = {
    "rgb": "visible",
    "rededge": "red edge",
    "nir": "near infrared",
    "swir": "short-wave infrared",
    "sar": "radar",
    "dem": "elevation",
}
"""Band groups as a reader calls them; any other by its own name."""


class Findings:
    """What templates show of an evaluation; see ``findings.html``."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.reconstruction = evaluation.reconstruction
        self.probes = evaluation.probes
        self.collapse = evaluation.collapse
        self.key = [(NAMES[name], KINDS[name]) for name in METHODS]

    @property
    def reconstruction_sentence(self) -> str:
        """The result of the reconstruction in words."""
        result = self.reconstruction
        if result is None:
            return "This encoder cannot fill in what is hidden, so no reconstruction was measured."
        errors = result.overall
        if errors.model is None:
            return "No pixel could be hidden, so nothing was reconstructed."
        where = "sites that training did not see" if result.held_out else "training sites, as none was held out"
        parts = [
            f"{_compared(errors.model, other)} that of {name} ({number(other)})"
            for name, other in (("the mean", errors.mean), ("bilinear inpainting", errors.bilinear))
        ]
        told = " The model is told each hidden patch's level and contrast, the baselines are not."
        return (
            f"On {result.chips} chips of {where}, the model's error over hidden pixels is {number(errors.model)}: "
            f"{' and '.join(parts)}.{told if result.levels_known else ''}"
        )

    def _errors(self) -> list[tuple[str, Errors]]:
        """Return the errors over all bands, then by band group in the order of the model's bands."""
        if self.reconstruction is None:
            return []
        groups = ((GROUPS.get(group.name, group.name), group) for group in self.reconstruction.groups)
        return [("all bands", self.reconstruction.overall), *groups]

    @property
    def reconstruction_chart(self) -> Markup:
        """Errors by band group."""
        rows = [
            DotRow(
                name,
                tuple(Dot(value, KINDS[m]) for m in METHODS if (value := getattr(errors, m)) is not None),
                strong=name == "all bands",
            )
            for name, errors in self._errors()
        ]
        return dot_chart(rows, label="mean squared error of hidden pixels, normalised")

    @property
    def reconstruction_table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Head and rows of the errors by band group."""
        body = [[name, *(number(getattr(errors, method)) for method in METHODS)] for name, errors in self._errors()]
        return ["hidden pixels", *(NAMES[method] for method in METHODS)], body

    @property
    def probe_sentence(self) -> str:
        """The result of the probes in words."""
        probes = self.probes
        if not probes.available:
            return f"There are no land-cover probes: {probes.reason}."
        legend = {code: name for sensor in SENSORS.values() for code, name in sensor.legend.items()}
        names = [legend.get(int(code), code) for code in probes.held_out.classes]
        text = (
            f"Can a simple classifier read land cover ({', '.join(names)}) out of a chip's frozen embedding? Fitted on "
            f"{probes.train.chips} chips of {probes.train.sites} sites, scored on {probes.held_out.chips} chips "
            f"of {probes.held_out.sites} other sites."
        )
        for row in probes.differences:
            if row.probe == "linear":
                gain = interval_text(row.interval, signed=True)
                text += f" Linear probe, pretrained minus {NAMES[row.baseline]}: {gain}."
        return text

    @property
    def probe_chart(self) -> Markup:
        """Balanced accuracies with their intervals."""
        rows = []
        for probe in PROBES:
            rows.append(DotRow(NAMES[probe].capitalize(), (), heading=True))
            for name in FEATURES:
                row = self.probes.of(probe, name)
                if row is not None:
                    dot = Dot(row.balanced_accuracy, KINDS[name], row.interval.low, row.interval.high)
                    rows.append(DotRow(NAMES[name], (dot,), strong=name == "trained"))
        chance = self.probes.chance
        return dot_chart(rows, label="balanced accuracy", reference=None if chance is None else (chance, "chance"))

    @property
    def probe_caption(self) -> str:
        """How to read the chart."""
        if self.probes.held_out.sites < 2:
            return "Higher is better. With one held-out site there is no telling how far this generalises."
        few = ", of which there are few: read them as lower bounds of the uncertainty" if self.probes.few_sites else ""
        return f"Higher is better. Lines: 95 % intervals from resampled sites{few}."

    @property
    def probe_table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Head and rows of all scores."""
        body = [
            [
                f"{row.probe}, {NAMES[row.features]}",
                interval_text(row.interval),
                f"{row.accuracy:.2f}",
                f"{row.macro_f1:.2f}",
            ]
            for row in self.probes.results
        ]
        return ["probe, features", "balanced accuracy", "accuracy", "F1"], body

    @property
    def collapse_sentence(self) -> str:
        """The collapse diagnostics in words; empty where there are none."""
        found = self.collapse
        if found is None:
            return ""
        start = f"Collapse: {'; '.join(found.reasons)}." if found.alarm else "No collapse."
        return (
            f"{start} Embeddings of {found.records} chips use {found.effective_rank:.1f} of {found.dimensions} "
            f"directions (effective rank); the mean cosine between chips is {found.mean_cosine:.3f}; "
            f"{found.duplicate_share:.1%} share their vector with another chip."
        )


def _compared(value: float, other: float | None) -> str:
    ratio = value / other if other else 1.0
    if ratio >= 2:
        return f"{number(ratio, 2)} times"
    return f"{abs(100 * (1 - ratio)):.0f} % {'below' if ratio <= 1 else 'above'}"


def interval_text(interval: Interval, *, signed: bool = False) -> str:
    """Return a score with its interval where it has one."""
    form = "+.2f" if signed else ".2f"
    text = f"{interval.value:{form}}"
    if interval.low is None or interval.high is None:
        return text
    return f"{text} ({interval.low:{form}} to {interval.high:{form}})"
