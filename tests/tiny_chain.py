"""A small run through the steps after the build, which the tests of several stages share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A whole run on twelve small sites with a model that was never trained."""
    from earthenware.embeddings import EmbedSpec, embed
    from earthenware.evaluation import EvaluateSpec, evaluate
    from earthenware.report import ReportSpec, report
    from tests.tiny_chips import build_tiny, train_tiny

    folder = tmp_path_factory.mktemp("chain")
    chips = build_tiny(str(folder / "chips"), places=12).output
    model = train_tiny(chips, str(folder / "train")).output
    evaluation = evaluate(EvaluateSpec(resamples=200, pictures=3), chips, model, str(folder / "evaluate"))
    embeddings = embed(EmbedSpec(), chips, model, str(folder / "embed"))
    page = report(ReportSpec(places=3), chips, model, evaluation.output, embeddings.output, str(folder / "report"))
    return Chain(folder, chips, model, evaluation, embeddings, page)
