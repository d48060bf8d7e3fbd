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


def run_chain(folder: Path, *, reads: Sequence[str] = (), pictures: int = 3, **fields: Any) -> Chain:
    """Run the steps after the build on a small store.

    Args:
        folder: Where.
        reads: Sensors that the model reads; empty for all but labels.
        pictures: Reconstructions to show.
        **fields: What the chips are to be; see ``earthenware.testing.make_chips``.
    """
    from earthenware.embeddings import EmbedSpec, embed
    from earthenware.evaluation import EvaluateSpec, evaluate
    from earthenware.report import ReportSpec, report
    from earthenware.testing import make_chips, make_model

    chips = make_chips(**fields).build(str(folder / "chips"), parts=fields["sites"]).output
    model = make_model(chips, str(folder / "train"), sensors=reads).output
    evaluation = evaluate(EvaluateSpec(resamples=200, pictures=pictures), chips, model, str(folder / "evaluate"))
    embeddings = embed(EmbedSpec(), chips, model, str(folder / "embed"))
    page = report(ReportSpec(sites=3), chips, model, evaluation.output, embeddings.output, str(folder / "report"))
    return Chain(folder, chips, model, evaluation, embeddings, page)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A whole run on twelve small sites with a model that was never trained."""
    return run_chain(tmp_path_factory.mktemp("chain"), sites=12)
