from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from earthenware.embeddings import EmbedSpec, embed
from earthenware.steps import StepReport
from tests.tiny_chips import build_tiny, train_tiny


@dataclass(frozen=True)
class Inputs:
    chips: str
    model: str


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A chip store of six places and a model with random weights."""
    folder: Path = tmp_path_factory.mktemp("inputs")
    chips = build_tiny(str(folder / "chips")).output
    return Inputs(chips, train_tiny(chips, str(folder / "train")).output)


@pytest.fixture(scope="session")
def product(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> StepReport:
    """The embedding product of the store, made in four parts."""
    return embed(EmbedSpec(part_chips=10), inputs.chips, inputs.model, str(tmp_path_factory.mktemp("out") / "embed"))
