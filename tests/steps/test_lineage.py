"""The walk over manifests: each output once, every step after those that it read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import Result, Spec, lineage, run_step


class Nothing(Spec):
    """A step with nothing to set."""


def made(root: str, name: str, **inputs: str | Sequence[str]) -> str:
    """Run a step that makes nothing of its inputs and return its output."""
    output = storage.join(root, name)
    return run_step(
        name.partition("-")[0], 1, spec=Nothing(), inputs=inputs, output=output, body=lambda _: Result({})
    ).output


def test_each_output_comes_once_and_after_what_it_read(output: str) -> None:
    plain = storage.join(output, "items.json")
    storage.write_json(plain, {"type": "FeatureCollection"})
    query = made(output, "query", catalog=plain)
    shards = [made(output, f"build-{number}", scenes=query) for number in range(3)]
    merge = made(output, "merge", stores=shards)
    verdict = made(output, "validate", chips=merge)
    train = made(output, "train", chips=storage.join(merge, "manifest.json"), verdict=verdict)

    found = lineage(train)
    assert list(found) == [query, *shards, merge, verdict, train]
    assert [manifest.step for manifest in found.values()][-1] == "train"
    assert list(lineage(verdict, train)) == [query, *shards, merge, verdict, train]


def test_what_was_removed_is_left_out_and_what_was_asked_for_must_be_there(output: str) -> None:
    query = made(output, "query")
    build = made(output, "build", scenes=query)
    storage.delete_file(storage.join(query, "manifest.json"))
    assert list(lineage(build)) == [build]
    with pytest.raises(EarthenwareError) as caught:
        lineage(query)
    assert caught.value.code == "NOT_FINISHED"
