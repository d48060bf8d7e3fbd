"""The component ``embed``."""

from kfp import dsl

from components.base import step_component


@step_component
def embed(
    chips: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    embeddings: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
    spec: str = "",
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("embed", **given)
