"""A step for a test: what a real one before it would leave behind, manifest and all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from earthenware.steps import Attempt, Result, Spec, StepReport, run_step


class SmallSpec(Spec):
    """The spec of a small step: all that tells two of them apart."""

    content: str = ""


def run_small_step(
    name: str,
    output: str,
    body: Callable[[Attempt], Result],
    *,
    inputs: Mapping[str, str] | None = None,
    content: str = "",
) -> StepReport:
    """Run a function under the step contract.

    Args:
        name: Name of the step whose place it takes.
        output: The prefix that it owns.
        body: What it does; see :func:`earthenware.steps.run_step`.
        inputs: Role -> URI of the outputs of earlier steps.
        content: What tells it from a step of the same name; the same content is not run again.
    """
    return run_step(name, 1, spec=SmallSpec(content=content), inputs=dict(inputs or {}), output=output, body=body)
