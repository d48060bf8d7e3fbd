"""The component ``gate``."""

from kfp import dsl

from components.base import step_component


@step_component
def gate(
    validation: dsl.Input[dsl.Artifact],
    root: str,
    package_version: str,
) -> None:
    given = locals()
    from earthenware.graph import run_component

    run_component("gate", **given)
