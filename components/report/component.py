"""The component ``report``."""

from kfp import dsl

from components.base import step_component


@step_component
def report(
    chips: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    embeddings: dsl.Input[dsl.Dataset],
    pointer: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    root: str,
    package_version: str,
    spec: str = "",
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("report", **given)
