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
    """Join the chip stores of all build shards, without copying a pixel.

    Args:
        stores: Pointers to the chip stores of the shards.
        chips: Pointer to the whole chip store.
        metrics: Counts of the step.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
    """
    from earthenware.datacube import merge as run
    from earthenware.steps import component

    with component("merge", root, package_version) as task:
        report = run([task.uri(store) for store in stores], output=task.output)
        task.publish(report, chips, metrics=metrics)
