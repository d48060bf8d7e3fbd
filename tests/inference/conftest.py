"""One store and one package for all tests of this room."""

from __future__ import annotations

import pytest

from earthenware.chips import ChipStore
from earthenware.inference import Package

from ._stores import make_package, make_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> ChipStore:
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, store: ChipStore) -> Package:
    return make_package(tmp_path_factory.mktemp("package"), store)
