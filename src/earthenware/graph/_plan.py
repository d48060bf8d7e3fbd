"""The steps of a pipeline called one after the other in this process, to say beforehand what a run would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.graph._declare import Pipeline, Task
from earthenware.graph._spec import PipelineSpec
from earthenware.steps import DryRun, dry_run


def plan(pipeline: Pipeline, spec: PipelineSpec) -> Iterator[tuple[str, str]]:
    """Yield each step and a sentence that says what a run would do there; nothing is written."""
    done: dict[str, list[str]] = {}
    for task in pipeline.tasks:
        if not task.step.outputs:
            continue  # nothing of it stays, so that there is nothing to say
        waits = [source for source in task.inputs.values() if source not in done]
        for name, shard in _shares(task, spec):
            if waits:
                yield name, f"{name} would run after {waits[0]}."
                continue
            try:
                with dry_run():
                    report = _call(pipeline, task, spec, shard, done)
            except DryRun as stop:
                yield name, stop.plan.sentence
            except EarthenwareError as error:
                yield name, f"{name} would fail: {error}"
            else:
                done.setdefault(task.step.name, []).append(report.output)
                counts = ", ".join(f"{value} {key}" for key, value in list(report.manifest.counts.items())[:3])
                yield name, f"{name} is done ({counts})."
        if len(done.get(task.step.name, [])) < len(_shares(task, spec)):
            done.pop(task.step.name, None)  # what follows needs all of them


def _shares(task: Task, spec: PipelineSpec) -> list[tuple[str, str]]:
    """Return the runs of a task: how each is called, and the share that it works on."""
    name, count = task.step.name, getattr(spec, "shards", 1) if task.fan_out else 1
    if count == 1:
        return [(name, "")]
    return [(f"{name} {shard}", shard) for shard in shards(count)]


def shards(count: int) -> list[str]:
    """Return the shares of something divided into ``count``, each as index/count."""
    return [f"{index}/{count}" for index in range(count)]


def _call(pipeline: Pipeline, task: Task, spec: PipelineSpec, shard: str, done: dict[str, list[str]]) -> Any:
    own = spec.section(task.step.name)
    if shard:
        own = own.model_copy(update={task.step.shard: shard})
    inputs: dict[str, str | list[str]] = {}
    for artifact in task.step.inputs:
        if artifact.name in task.inputs:
            made = done[task.inputs[artifact.name]]
            inputs[artifact.name] = made if artifact.many else made[0]
    output = storage.join(storage.normalise(spec.root), task.step.name, "{fingerprint}")
    return task.step.run(own, inputs, output)
