"""The component ``merge``."""

from typing import List  # noqa: UP035 - Kubeflow reads this spelling

from kfp import dsl

from components.base import step_component


@step_component
def merge(
    stores: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    chips: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("merge", **given)
