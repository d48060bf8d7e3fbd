"""Running a compiled pipeline on this machine through ``kfp.local``, and saying what went wrong when it does."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from earthenware.cli._render import Renderer
from earthenware.errors import EarthenwareError
from earthenware.steps import EVENTS_VARIABLE, step_process

__all__ = ["compiled_pipeline", "run_local"]


def compiled_pipeline(name: str) -> Path:
    """Return the path of a pipeline's compiled YAML: inside the installed package, or in the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "pipelines", package.parent.parent / "pipelines" / "compiled"):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    message = f"The compiled pipeline '{name}' is not in this installation."
    raise EarthenwareError("UNKNOWN_PIPELINE", message, "Install earthenware anew; in a checkout run 'make pipelines'.")


def run_local(pipeline: Path, arguments: Mapping[str, Any], runs: Path) -> tuple[Renderer, Path]:
    """Run a compiled pipeline in child processes and show their progress.

    Args:
        pipeline: Compiled YAML.
        arguments: Parameters of the pipeline.
        runs: Folder below which this run keeps its events, Kubeflow's log and its pointer artifacts.

    Returns:
        The renderer, which knows each task's output and seconds, and the folder of this run.

    Raises:
        EarthenwareError: The failed step's own error, or ``STEP_FAILED`` when it died without a word.
    """
    folder = runs / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    events = folder / "events"
    events.mkdir(parents=True)
    log = folder / "kfp.log"
    terminal = sys.stdout
    os.environ[EVENTS_VARIABLE] = str(events)
    try:
        with (
            step_process(),
            Renderer(events, terminal) as renderer,
            log.open("w", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            failure = _run_kfp(pipeline, dict(arguments), folder / "artifacts")
    finally:
        del os.environ[EVENTS_VARIABLE]
    if failure is not None:
        raise _explain(failure, renderer, log)
    return renderer, folder


def _run_kfp(pipeline: Path, arguments: dict[str, Any], artifacts: Path) -> Exception | None:
    from kfp import local
    from kfp.components import load_component_from_file

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(artifacts), raise_on_error=True)
    run = load_component_from_file(str(pipeline))
    try:
        run(**arguments)
    except RuntimeError as error:  # kfp.local names the failed task and nothing else: the events say why
        return error
    return None


def _explain(failure: Exception, renderer: Renderer, log: Path) -> EarthenwareError:
    if renderer.failures:
        event = renderer.failures[-1]
        message = f"{event['task']}: {event['message']}"
        remedy = f"{event.get('remedy', '')} Finished steps are kept: the same command goes on from here.".strip()
        return EarthenwareError(event.get("code", "STEP_FAILED"), message, f"{remedy} (log: {log})")
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.strip() for line in lines if "Error" in line]
    said = f" Its log says: {errors[-1][:300]}" if errors else ""
    message = f"A step ended without saying why ({str(failure).splitlines()[0]}).{said}"
    remedy = f"It may have been killed, for instance for lack of memory; the whole log is in {log}."
    return EarthenwareError("STEP_FAILED", message, remedy)
