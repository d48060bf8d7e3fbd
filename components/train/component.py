"""The component ``train``."""

from kfp import dsl

from components.base import step_component


@step_component
def train(
    chips: dsl.Input[dsl.Dataset],
    validation: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
    spec: str = "",
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("train", **given)
