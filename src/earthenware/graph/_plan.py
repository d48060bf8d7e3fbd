"""The steps of a pipeline called one after the other in this process, to say beforehand what a run would do."""

from __future__ import annotations

from collections.abc import Iterator

from earthenware.errors import EarthenwareError
from earthenware.graph._declare import Pipeline
from earthenware.graph._require import output_of, require
from earthenware.graph._spec import PipelineSpec
from earthenware.steps import DryRun, dry_run


def plan(pipeline: Pipeline, spec: PipelineSpec) -> Iterator[tuple[str, str]]:
    """Yield each step and a sentence that says what a run would do there; nothing is written.

    Raises:
        EarthenwareError: What a run would fail with, as far as it can be told beforehand.
    """
    require(pipeline, spec)
    done: dict[str, list[str]] = {}
    for task in pipeline.tasks:
        step = task.step
        if not step.outputs:
            continue  # nothing of it stays, so that there is nothing to say
        count = getattr(spec, "shards", 1) if task.fan_out else 1
        runs = (
            {f"{step.name} {shard}": {step.shard: shard} for shard in shards(count)} if count > 1 else {step.name: {}}
        )
        waits = [source for source in task.inputs.values() if source not in done]
        if waits:
            yield from ((name, f"{name} would run after {waits[0]}.") for name in runs)
            continue
        many = {artifact.name for artifact in step.inputs if artifact.many}
        inputs = {name: done[source] if name in many else done[source][0] for name, source in task.inputs.items()}
        output = output_of(spec, step.name)
        made = []
        for name, share in runs.items():
            own = spec.section(step.name)
            try:
                with dry_run():
                    report = step.run(own.model_copy(update=share) if share else own, inputs, output)
            except DryRun as stop:
                yield name, stop.plan.sentence
            except EarthenwareError as error:
                raise EarthenwareError(error.code, f"{name}: {error.message}", error.remedy) from None
            else:
                made.append(report.output)
                counts = ", ".join(f"{value} {key}" for key, value in list(report.manifest.counts.items())[:3])
                yield name, f"{name} is done ({counts})."
        if len(made) == count:  # what follows needs all of them
            done[step.name] = made


def shards(count: int) -> list[str]:
    """Return the shares of something divided into ``count``, each as index/count."""
    return [f"{index}/{count}" for index in range(count)]
