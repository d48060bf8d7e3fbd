"""The component ``build``."""

from kfp import dsl

from components.base import step_component


@step_component
def build(
    scenes: dsl.Input[dsl.Dataset],
    chips: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
    spec: str = "",
    shard: str = "",
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("build", **given)
