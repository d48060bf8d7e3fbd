"""A small run through the steps after the build, which the tests of several stages share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from earthenware.steps import StepReport


@dataclass(frozen=True)
class Chain:
    """Outputs of the steps of a small run."""

    folder: Path
    chips: str
    model: str
    evaluation: StepReport
    embeddings: StepReport
    report: StepReport


def run_chain(folder: Path, *, sensors: Sequence[str] | None = None, pictures: int = 3, **fields: Any) -> Chain:
    """Run the steps after the build on a small store.

    Args:
        folder: Where.
        sensors: What the model reads; None for the first three sensors of a tiny store.
        pictures: Reconstructions to show.
        **fields: What the store is to be.
    """
    from earthenware.embeddings import EmbedSpec, embed
    from earthenware.evaluation import EvaluateSpec, evaluate
    from earthenware.report import ReportSpec, report
    from tests.tiny_chips import SENSORS, build_tiny, train_tiny

    chips = build_tiny(str(folder / "chips"), **fields).output
    model = train_tiny(chips, str(folder / "train"), sensors=sensors or SENSORS[:3]).output
    evaluation = evaluate(EvaluateSpec(resamples=200, pictures=pictures), chips, model, str(folder / "evaluate"))
    embeddings = embed(EmbedSpec(), chips, model, str(folder / "embed"))
    page = report(ReportSpec(sites=3), chips, model, evaluation.output, embeddings.output, str(folder / "report"))
    return Chain(folder, chips, model, evaluation, embeddings, page)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A whole run on twelve small sites with a model that was never trained."""
    return run_chain(tmp_path_factory.mktemp("chain"), places=12)
