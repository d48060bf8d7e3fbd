"""Many more of the absurd items of the catalog's tests: none ends a query or a build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.catalog import test_absurd_items as absurd
from tests.catalog.test_absurd_items import earth as earth
from tests.soak.trials import trials


def again(test: Any, examples: int, seed: int, drawn: SearchStrategy[Any]) -> Callable[..., None]:
    """Return a property test with other examples."""
    own = settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    more: Callable[..., None] = hypothesis.seed(seed)(own(given(drawn=drawn)(test.hypothesis.inner_test)))
    return more


@trials("absurd items")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("test", "drawn", "examples"),
    [
        (absurd.test_no_item_ends_a_query, absurd.MUTANTS, 40),
        (absurd.test_no_item_that_passes_a_query_ends_a_build, absurd.MANY, 2),
    ],
    ids=["query", "build"],
)
def test_absurd_items_end_nothing(
    earth: Path,
    record_property: Callable[[str, object], None],
    test: Any,
    drawn: SearchStrategy[Any],
    examples: int,
    seed: int,
) -> None:
    record_property("trials", examples)
    again(test, examples, seed, drawn)(earth=earth)
