"""The steps of ``pretrain`` called one after the other in this process, to say beforehand what a run would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from earthenware import storage
from earthenware.cli.specs import PretrainSpec
from earthenware.errors import EarthenwareError
from earthenware.steps import DryRun, StepReport, dry_run


def plan_pretrain(spec: PretrainSpec) -> Iterator[tuple[str, str]]:
    """Yield each step and a sentence that says what a run would do there; nothing is written."""
    done: dict[str, StepReport] = {}
    for name, call in _calls(spec, done):
        try:
            with dry_run():
                done[name] = call()
        except DryRun as stop:
            yield name, stop.plan.sentence
        except KeyError as missing:
            yield name, f"{name} would run after {missing.args[0]}."
        except EarthenwareError as error:
            yield name, f"{name} would fail: {error}"
        else:
            counts = ", ".join(f"{value} {key}" for key, value in list(done[name].manifest.counts.items())[:3])
            yield name, f"{name} is done ({counts})."


def _calls(spec: PretrainSpec, done: dict[str, StepReport]) -> list[tuple[str, Callable[[], StepReport]]]:
    from earthenware.catalog import query
    from earthenware.datacube import build, merge
    from earthenware.embeddings import embed
    from earthenware.evaluation import evaluate, report
    from earthenware.training import train
    from earthenware.validation import validate

    def output(step: str) -> str:
        return storage.join(storage.normalise(spec.root), step, "{fingerprint}")

    def made(step: str) -> str:
        return done[step].output

    shards = [f"{number}/{spec.shards}" for number in range(spec.shards)]

    def build_shard(shard: str) -> Callable[[], StepReport]:
        part = spec.build.model_copy(update={"shard": shard})
        return lambda: build(part, made("query"), output("build"))

    names = ["build" if spec.shards == 1 else f"build {shard}" for shard in shards]
    return [
        ("query", lambda: query(spec.query, output("query"))),
        *((name, build_shard(shard)) for name, shard in zip(names, shards, strict=True)),
        ("merge", lambda: merge([made(name) for name in names], output("merge"))),
        ("validate", lambda: validate(spec.validate_, made("merge"), output("validate"))),
        ("train", lambda: train(spec.train, made("merge"), output("train"))),
        ("evaluate", lambda: evaluate(spec.evaluate, made("merge"), made("train"), output("evaluate"))),
        ("embed", lambda: embed(spec.embed, made("merge"), made("train"), output("embed"))),
        (
            "report",
            lambda: report(
                spec.report, made("merge"), made("train"), made("evaluate"), made("embed"), output("report")
            ),
        ),
    ]
