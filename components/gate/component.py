"""The component ``gate``."""

from kfp import dsl

from components.base import step_component


@step_component
def gate(validation: dsl.Input[dsl.Artifact], root: str, package_version: str) -> None:
    """Fail the run unless the data passed validation.

    It raises because a condition that is false would end the run as succeeded.

    Args:
        validation: Pointer to the verdict.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
    """
    from earthenware.steps import component
    from earthenware.validation import gate as run

    with component("gate", root, package_version) as task:
        run(task.uri(validation))
