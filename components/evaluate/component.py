"""The component ``evaluate``."""

from kfp import dsl

from components.base import step_component


@step_component
def evaluate(
    chips: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
    root: str,
    package_version: str,
    spec: str = "",
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("evaluate", **given)
