"""How far a run is: its steps, worked out from what Kubeflow's API says of its Argo nodes, and the lines about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from earthenware.kubeflow._nodes import Step, attempts
from earthenware.steps import describe_seconds

ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
_LEFT_OUT: Final = (None, "RUNTIME_STATE_UNSPECIFIED")
"""State of a node that Argo left out, because one before it failed."""
_ORDER: Final = ("FAILED", "CANCELED", "CANCELING", "RUNNING", "PAUSED", "PENDING", "SUCCEEDED", "SKIPPED")
"""Of several iterations of a step, the state named first is the step's."""


@dataclass(frozen=True)
class StepOutcome:
    """What is known of a step.

    Attributes:
        state: Kubeflow's state, such as ``SUCCEEDED``; of several iterations the worst.
        seconds: Time that it took, or has taken so far (seconds); None before its start.
        iterations: Number of its iterations.
        attempts: Number of its pods that it was tried with; 0 when the server does not say.
    """

    name: str
    state: str
    seconds: float | None
    iterations: int = 1
    attempts: int = 0


def outcomes(run: Any, steps: list[Step]) -> list[StepOutcome]:
    """Return what is known of each step that has begun, in the order of beginning."""
    nodes = child_nodes(run)
    found = []
    for step in steps:
        mine = [one for one in details(run) if one.display_name == step.name and one.state not in _LEFT_OUT]
        if not mine:
            continue
        states = {one.state for one in mine}
        state = next((name for name in _ORDER if name in states), "PENDING")
        starts = [start for one in mine if (start := _moment(one.start_time))]
        ends = [end for one in mine if (end := _moment(one.end_time))]
        until = max(ends) if state in ENDED and ends else datetime.now(UTC)
        seconds = max((until - min(starts)).total_seconds(), 0.0) if starts else None
        outcome = StepOutcome(step.name, state, seconds, len(mine), attempts(step, nodes))
        found.append((min(starts) if starts else datetime.max.replace(tzinfo=UTC), outcome))
    return [outcome for _, outcome in sorted(found, key=lambda pair: pair[0])]


def details(run: Any) -> list[Any]:
    """Return what the server tells of a run's Argo nodes."""
    return (run.run_details.task_details if run.run_details else None) or []


def child_nodes(run: Any) -> set[str]:
    """Return the ids of a run's nodes, so far as it names them as some node's children."""
    return {child.pod_name for one in details(run) for child in one.child_tasks or [] if child.pod_name}


def _moment(value: datetime | None) -> datetime | None:
    # The server writes the year 1 or 1970 for what has not happened yet.
    return value if value is not None and value.year > 2000 else None


def change(step: StepOutcome) -> str:
    """Return the line that says a step's new state."""
    text = f"{clock()}  {step.name:<10} {step.state.lower()}"
    if step.iterations > 1:
        text += f" ({step.iterations} parts)"
    if step.state in ENDED and step.seconds is not None:
        text += f" after {describe_seconds(step.seconds)}"
    return f"{text}, {step.attempts - 1} retr{'y' if step.attempts == 2 else 'ies'}" if step.attempts > 1 else text


def heartbeat(run: Any, steps: list[StepOutcome]) -> str:
    """Return the line that says that a run is still alive."""
    running = [f"{one.name} for {describe_seconds(one.seconds or 0)}" for one in steps if one.state == "RUNNING"]
    state = (run.state or "PENDING").lower()
    return f"{clock()}  still running: {', '.join(running)}" if running else f"{clock()}  still {state}"


def clock() -> str:
    """Return the time of day here, with which each line begins."""
    return f"{datetime.now():%H:%M:%S}"
