"""Collapse: features that no longer tell records apart, however low the training loss is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, computed_field

from earthenware.metrics._neighbours import unit_vectors

LEAST_RANK = 3.0
"""Fewer effective directions than this cannot hold what differs between sites."""
HIGHEST_COSINE = 0.995
"""Above this mean cosine all vectors are one vector and some noise."""
HIGHEST_DUPLICATES = 0.02
"""Two chips never hold the same pixels; more equal embeddings than this share mean that the input is ignored."""


class CollapseDiagnostics(BaseModel):
    """How widely a set of features spreads.

    Attributes:
        effective_rank: Exponential of the entropy of the centred features' normalised singular values: the number
            of directions that are in use (Roy and Vetterli, 2007).
        mean_cosine: Mean cosine similarity over all pairs of records.
        duplicate_share: Share of the records whose vector equals another record's vector bit by bit.
        dimensions: Length of a vector.
        records: Number of vectors.
        reasons: Why the alarm sounds; empty when it does not.
    """

    model_config = ConfigDict(frozen=True)

    effective_rank: float
    mean_cosine: float
    duplicate_share: float
    dimensions: int
    records: int
    reasons: tuple[str, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def alarm(self) -> bool:
        """Whether the features have collapsed."""
        return bool(self.reasons)


def _effective_rank(values: NDArray[np.float64]) -> float:
    singular = np.linalg.svd(values - values.mean(0), compute_uv=False)
    total = singular.sum()
    if total <= 1e-12 * max(1.0, float(np.abs(values).max())) * np.sqrt(values.size):
        return 0.0
    share = singular[singular > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def collapse_diagnostics(features: NDArray[Any]) -> CollapseDiagnostics:
    """Measure the spread of features and decide whether they have collapsed.

    Args:
        features: `[record, dimension]`, at least two records.

    Returns:
        The measures and the alarm's reasons. The rank is judged only where the records allow it: with no more
        than twice ``LEAST_RANK`` records or dimensions it says nothing.

    Raises:
        ValueError: With fewer than two records.
    """
    if len(features) < 2:
        raise ValueError(f"collapse needs at least two records, got {len(features)}")
    values = np.asarray(features, np.float64)
    number, dimensions = values.shape
    finite = bool(np.isfinite(values).all())
    values = np.nan_to_num(values)
    units = unit_vectors(values)
    lengths = float((units**2).sum())
    cosine = (float((units.sum(0) ** 2).sum()) - lengths) / (number * (number - 1))
    counts = np.unique(np.ascontiguousarray(features), axis=0, return_counts=True)[1]
    duplicates = float(counts[counts > 1].sum()) / number
    rank = _effective_rank(values)
    reasons = []
    if not finite:
        reasons.append("some features are not finite")
    if min(number - 1, dimensions) > 2 * LEAST_RANK and rank < LEAST_RANK:
        reasons.append(f"only {rank:.1f} of {dimensions} directions are in use (fewer than {LEAST_RANK:.0f})")
    if cosine > HIGHEST_COSINE:
        reasons.append(f"the mean cosine between records is {cosine:.4f} (above {HIGHEST_COSINE})")
    if duplicates > HIGHEST_DUPLICATES:
        reasons.append(f"{duplicates:.1%} of the records have another's vector (above {HIGHEST_DUPLICATES:.0%})")
    return CollapseDiagnostics(
        effective_rank=rank,
        mean_cosine=cosine,
        duplicate_share=duplicates,
        dimensions=dimensions,
        records=number,
        reasons=tuple(reasons),
    )
