"""Following a run through Kubeflow's API until it ends."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from earthenware import storage
from earthenware.errors import EarthenwareError, again, one_line
from earthenware.kubeflow._client import KubeflowClient
from earthenware.kubeflow._errors import TRANSIENT
from earthenware.kubeflow._steps import (
    ENDED,
    StepOutcome,
    change,
    child_nodes,
    clock,
    details,
    heartbeat,
    outcomes,
    pods,
    steps_of,
)
from earthenware.steps import describe_seconds

_TAIL: Final = 20
"""Lines of a failed step's log that are shown."""
_MOST_PODS: Final = 16
_LONGEST_PAUSE: Final = 30.0
_SILENCE: Final = 600.0
"""After this time without news a line says what is running (seconds)."""


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        state: Kubeflow's final state.
        message: What the server says about a failure.
        steps: Its steps in the order in which they began.
        log: For the first failed step that has one, the end of its log.
        mlflow_url: Page of the run in MLflow, where Kubeflow's own MLflow plugin says it.
    """

    run_id: str
    name: str
    state: str
    message: str = ""
    steps: list[StepOutcome] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    mlflow_url: str = ""

    @property
    def failed_step(self) -> str:
        """Name of the first step that failed; empty when none did."""
        return next((step.name for step in self.steps if step.state == "FAILED"), "")


def watch(
    client: KubeflowClient,
    run_id: str,
    say: Callable[[str], None],
    *,
    poll: float = 5.0,
    patience: float = 300.0,
    pause: Callable[[float], None] = time.sleep,
) -> RunOutcome:
    """Say each change of a run's steps until the run ends. The run does not depend on being watched.

    It looks again after ``poll`` seconds, and gives an API that does not answer up after ``patience`` seconds;
    ``pause`` waits so many seconds.

    Raises:
        EarthenwareError: ``KFP_NOT_FOUND`` when there is no such run, and what ends an open connection.
    """
    ask = functools.partial(_ask, client, say, poll, patience, pause)
    look = functools.partial(ask, "read the run", lambda: client.runs.run_service_get_run(run_id))
    run = look()
    spec, version = run.pipeline_spec, run.pipeline_version_reference
    if not spec and version is not None:
        service, ids = client.pipelines, (version.pipeline_id, version.pipeline_version_id)
        spec = ask("read the pipeline", lambda: service.pipeline_service_get_pipeline_version(*ids)).pipeline_spec
    steps = steps_of(spec) if isinstance(spec, dict) else []
    said: dict[str, tuple[str, int]] = {}
    silent = 0.0
    while True:
        now = outcomes(run, steps)
        for step in now:
            if said.get(step.name) != (step.state, step.attempts):
                said[step.name] = (step.state, step.attempts)
                say(change(step))
                silent = 0.0
        if run.state in ENDED:
            break
        if silent >= _SILENCE:
            say(heartbeat(run, now))
            silent = 0.0
        pause(poll)
        silent += poll
        run = look()
    outcome = RunOutcome(run_id, run.display_name or "", run.state, steps=now, mlflow_url=_mlflow_url(run))
    if run.state != "SUCCEEDED":
        outcome.message = client.connection.mask(_message(run, outcome.failed_step))
        failed = [step for step in steps if step.name == outcome.failed_step]
        outcome.log = _log(client, run_id, [pod for step in failed for pod in pods(step, child_nodes(run))])
    return outcome


def _ask(
    client: KubeflowClient,
    say: Callable[[str], None],
    poll: float,
    patience: float,
    pause: Callable[[float], None],
    doing: str,
    question: Callable[[], Any],
) -> Any:
    """Ask again while the API is away for a while, or a token is being rotated."""
    token, refused, said = "", False, False

    def once() -> Any:
        nonlocal token
        token = client.connection.current_token()
        client.to(doing)
        return question()

    def passes(error: Exception) -> float:
        nonlocal refused, said
        if not isinstance(error, EarthenwareError):
            return 0.0
        if error.code == "KFP_UNAUTHENTICATED":  # the token's file may just be written anew
            rotates = client.connection.token_file is not None
            hopeless, refused = refused and token == client.connection.current_token(), True
            return patience if rotates and not hopeless else 0.0
        if error.code not in TRANSIENT:
            return 0.0
        if not said:
            say(f"{clock()}  {error.message} Trying again for {describe_seconds(patience)}.")
        said = True
        return patience

    return again(once, passes, first=poll, longest=_LONGEST_PAUSE, pause=pause)


def _message(run: Any, failed: str) -> str:
    tasks = [one for one in details(run) if one.state == "FAILED" and one.error is not None]
    best = sorted(tasks, key=lambda one: one.display_name != failed)
    errors = [one.error for one in (*best, run, *(run.state_history or [])) if one.error is not None]
    text = next((str(error.message) for error in errors if error.message), "")
    return one_line(text, 500)


def _log(client: KubeflowClient, run_id: str, names: list[str]) -> list[str]:
    """Return the end of the log of one of these pods."""
    tails = [tail for pod in names[:_MOST_PODS] if (tail := client.log_tail(run_id, pod, _TAIL))]
    # Which iteration of a loop failed, the server does not say: its log does.
    tail = next((one for one in tails if any("error" in line.lower() for line in one)), tails[0] if tails else [])
    return [storage.redact_text(line)[:500] for line in tail]


def _mlflow_url(run: Any) -> str:
    for output in (run.plugins_output or {}).values():
        for value in (output.entries or {}).values():
            text = str(value.value or "")
            if value.render_type == "URL" and text.startswith(("http://", "https://")):
                parts = urlsplit(text)  # the fragment is what names the run
                return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", parts.fragment))
    return ""
