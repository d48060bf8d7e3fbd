"""What an evaluation found: the document ``metrics.json``, written by ``evaluate`` and read by ``report``."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, computed_field

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.metrics import ClassificationScores, CollapseDiagnostics, Interval
from earthenware.steps import read_artifact

METRICS_FILE: Final = "metrics.json"

Method = Literal["model", "bilinear", "mean"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
Features = Literal["trained", "untrained", "band_statistics"]
Probe = Literal["linear", "knn"]
PROBES: Final[tuple[Probe, ...]] = get_args(Probe)


def _known(value: Any) -> Any:
    """Return None for a number that is none: JSON has no other word for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_known)]
"""A finite number, or None where there is none."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Errors(_Document):
    """Mean squared errors of hidden pixels in units of each band's variance; None over no pixel.

    Attributes:
        model: Of the model.
        bilinear: Of bilinear inpainting of each band from its own visible pixels.
        mean: Of the mean of the training pixels.
    """

    model: Number
    bilinear: Number
    mean: Number


class GroupErrors(Errors):
    """The errors of one band group."""

    name: str


class ReconstructionResult(_Document):
    """How well hidden pixels are filled in, every method judged on the same hidden, valid pixels.

    Attributes:
        split: Split of the chips; ``all`` where none is held out.
        held_out: Whether training never saw the sites.
        levels_known: Whether the model is told each hidden patch's level and contrast.
        chips: Number of chips.
        pixels: Number of hidden values compared, over all bands.
        overall: Errors over all of them.
        groups: Errors by band group, in the order of the model's bands.
    """

    split: str
    held_out: bool
    units: str = "mean squared error of hidden pixels, in units of each band's variance over training pixels"
    levels_known: bool
    chips: int
    pixels: int
    overall: Errors
    groups: tuple[GroupErrors, ...]


class ProbeScore(ClassificationScores):
    """Scores of one probe on one set of features.

    Attributes:
        interval: The balanced accuracy with its interval.
        inverse_penalty: What the linear probe chose; None for one that has no penalty.
    """

    probe: Probe
    features: Features
    interval: Interval
    inverse_penalty: float | None = None


class ProbeDifference(_Document):
    """Balanced accuracy of the trained encoder minus that of a baseline."""

    probe: Probe
    features: Features = "trained"
    baseline: Features
    interval: Interval


class Labelled(_Document):
    """Labelled chips: how many, of how many sites, and how many of each class (by its code)."""

    chips: int
    sites: int
    classes: dict[str, int]


class ProbeResult(_Document):
    """Land cover read out of frozen features by simple classifiers.

    Attributes:
        reason: Why there are no probes; None where there are.
        train: The chips that the probes were fitted on.
        held_out: The chips of other sites that they were scored on.
        neighbours: Voters of the nearest-neighbour probe.
        chance: Balanced accuracy of guessing.
        left_out: Held-out chips of classes that no training chip has.
        few_sites: Whether the intervals are too narrow to lean on.
    """

    reason: str | None = None
    label: str = "most frequent ESA WorldCover class"
    score: str = "balanced_accuracy"
    train: Labelled
    held_out: Labelled
    neighbours: int
    chance: float | None = None
    left_out: int = 0
    few_sites: bool = False
    results: tuple[ProbeScore, ...] = ()
    differences: tuple[ProbeDifference, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def available(self) -> bool:
        """Whether there are probes."""
        return self.reason is None

    def of(self, probe: Probe, features: Features) -> ProbeScore | None:
        """Return the scores of one probe on one set of features."""
        return next((row for row in self.results if (row.probe, row.features) == (probe, features)), None)


class PictureRecord(_Document):
    """A chip before and after reconstruction, as a picture below the evaluation's output.

    Attributes:
        views: What the rows of the picture show.
        path: Where it lies.
    """

    chip_id: str
    site: str | None
    datetime: datetime | None
    lon: float
    lat: float
    views: tuple[str, ...]
    path: str


class Evaluation(_Document):
    """What an evaluation found.

    Attributes:
        reconstruction: None for an encoder that cannot fill in what is hidden.
        probes: What simple classifiers read out of the embeddings.
        collapse: None with fewer than two embeddings.
        pictures: Chips before and after reconstruction.
    """

    reconstruction: ReconstructionResult | None
    probes: ProbeResult
    collapse: CollapseDiagnostics | None
    pictures: tuple[PictureRecord, ...] = ()

    def figures(self) -> dict[str, float]:
        """Return the numbers that are worth a place in a manifest and in MLflow, by name."""
        values: dict[str, float | None] = {}
        if self.reconstruction is not None:
            groups = {f"_{group.name}": group for group in self.reconstruction.groups}
            for name, errors in {"": self.reconstruction.overall, **groups}.items():
                values |= {f"reconstruction_error{name}_{method}": getattr(errors, method) for method in METHODS}
        for row in self.probes.results:
            values[f"{row.probe}_balanced_accuracy_{row.features}"] = row.balanced_accuracy
        for gain in self.probes.differences:
            values[f"{gain.probe}_gain_over_{gain.baseline}"] = gain.interval.value
        if self.collapse is not None:
            for name in ("effective_rank", "mean_cosine", "duplicate_share"):
                values[f"embedding_{name}"] = getattr(self.collapse, name)
        return {name: float(value) for name, value in values.items() if value is not None}


def read_evaluation(output: str) -> Evaluation:
    """Return what the evaluate step wrote below ``output``.

    Raises:
        EarthenwareError: ``NOT_EVALUATED`` when there is nothing, or something else; ``OUTPUT_DAMAGED``.
    """
    try:
        return Evaluation.model_validate_json(read_artifact(output, METRICS_FILE))
    except (FileNotFoundError, ValidationError) as error:
        message = f"'{storage.redact(output)}' holds no evaluation."
        raise EarthenwareError("NOT_EVALUATED", message, "Give the output of 'earthenware evaluate'.") from error
