"""The component ``query``."""

from kfp import dsl

from components.base import step_component


@step_component
def query(
    scenes: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    summary: dsl.Output[dsl.Markdown],
    root: str,
    package_version: str,
    spec: str = "",
) -> list[dict[str, str]]:
    given = locals()
    from earthenware.graph import run_component

    return run_component("query", **given)
