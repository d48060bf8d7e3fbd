from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from earthenware.embeddings import EmbedSpec, embed
from earthenware.steps import StepReport
from earthenware.testing import make_chips, make_model


@dataclass(frozen=True)
class Inputs:
    chips: str
    model: str


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A chip store of six places and a model with random weights."""
    folder: Path = tmp_path_factory.mktemp("inputs")
    chips = make_chips().build(str(folder / "chips"), parts=6).output
    return Inputs(chips, make_model(chips, str(folder / "train")).output)


@pytest.fixture(scope="session")
def product(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> StepReport:
    """The embedding product of the store, made in four parts."""
    return embed(EmbedSpec(part_chips=10), inputs.chips, inputs.model, str(tmp_path_factory.mktemp("out") / "embed"))
