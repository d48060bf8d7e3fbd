"""A small Earth, a small chip store and a model with random weights, which the components' tests share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import Any

import pytest

from earthenware.sandbox import SandboxSpec, make_sandbox
from earthenware.testing import make_chips, make_model
from tests.components.runs import Inputs, Ran, call


@dataclass
class Bench:
    """Inputs for every component, and what their Python functions made of them; each is made once, when asked for."""

    folder: Path
    done: dict[str, Ran] = field(default_factory=dict)

    @functools.cached_property
    def catalog(self) -> str:
        """The catalog of three places, with four scenes."""
        return make_sandbox(SandboxSpec(places=3, dates=1, size=128, workers=1), str(self.folder / "earth")).catalog

    @functools.cached_property
    def chips(self) -> str:
        """A chip store of six places with land cover."""
        return make_chips().build(str(self.folder / "chips"), parts=6).output

    @functools.cached_property
    def model(self) -> str:
        """A model with random weights."""
        return make_model(self.chips, str(self.folder / "model")).output

    def given(self, name: str) -> tuple[Inputs, dict[str, Any]]:
        """Return the inputs and the spec that suit a component; a shard is a parameter of its own."""
        match name:
            case "query":
                return {}, {"shards": 2, "query": {"catalog": self.catalog}}
            case "build-0" | "build-1":
                given = {"shard": f"{name[-1]}/2", "chip_size": 32, "workers": 1}
                return {"scenes": self.output("query")}, given
            case "merge":
                return {"stores": [self.output("build-0"), self.output("build-1")]}, {}
            case "validate":
                return {"chips": self.chips}, {"max_chips": 8}
            case "gate":
                return {"validation": self.output("validate")}, {}
            case "train":
                few = {"epochs": 1, "batch_size": 16, "workers": 1, "tracking_uri": "off", "cache_mb": 0}
                return {"chips": self.chips, "validation": self.output("validate")}, few
            case "evaluate":
                return {"chips": self.chips, "model": self.model}, {"resamples": 100, "pictures": 1}
            case "embed":
                return {"chips": self.chips, "model": self.model}, {}
            case "report":
                made = {"evaluation": self.output("evaluate"), "embeddings": self.output("embed")}
                return {"chips": self.chips, "model": self.model, **made}, {"sites": 1, "queries": 1}
        raise KeyError(name)

    def ran(self, name: str) -> Ran:
        """Run the Python function of a component, or return what it made before."""
        if name not in self.done:
            inputs, parameters = self.given(name)
            work = functools.partial(call, name.split("-")[0], inputs, self.folder / name, **parameters)
            self.done[name] = _apart(work) if name == "train" else work()
        return self.done[name]

    def output(self, name: str) -> str:
        """Return the URI that a component's pointer names."""
        return str(self.ran(name).pointer()["uri"])


def _apart(work: Callable[[], Ran]) -> Ran:
    """Run in a process of its own: with a Ray of its own behind it, a process cannot join another cluster."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work).result()


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    # Started by a pool inside a step, it would end with that step, and the next pool would miss it.
    resource_tracker.ensure_running()
    return Bench(tmp_path_factory.mktemp("bench"))
