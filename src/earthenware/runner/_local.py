"""Running a compiled pipeline on this machine through ``kfp.local``, and saying what went wrong when it does."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from earthenware.errors import EarthenwareError, first_line
from earthenware.processes import step_process
from earthenware.runner._docker import Containers
from earthenware.runner._render import Renderer
from earthenware.steps import EVENTS_VARIABLE


def run_local(
    pipeline: str,
    arguments: Mapping[str, Any],
    runs: Path,
    containers: Callable[[Path], Containers] | None = None,
    spec: str = "",
    stream: IO[str] | None = None,
) -> tuple[Renderer, Path]:
    """Run a compiled pipeline and show the progress of its steps.

    Args:
        pipeline: Compiled YAML, its text.
        arguments: Parameters of the pipeline.
        runs: Folder below which this run keeps its events, Kubeflow's log and its pointer artifacts.
        containers: Makes the containers of a run from the run's folder; None runs the steps as child processes.
        spec: What the run is asked to do, as YAML, to be kept in its folder.
        stream: Where progress is shown; standard output by default.

    Returns:
        The renderer, which knows each task's output and seconds, and the folder of this run.

    Raises:
        EarthenwareError: The failed step's own error, or ``STEP_FAILED`` when it died without a word.
    """
    folder = runs / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    events = folder / "events"
    events.mkdir(parents=True)
    log = folder / "kfp.log"
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    terminal = stream or sys.stdout
    os.environ[EVENTS_VARIABLE] = str(events)
    engine = containers(folder) if containers else None
    try:
        with (
            engine or contextlib.nullcontext(),  # before the guard, which must not end what ends the containers
            step_process(),
            Renderer(events, terminal) as renderer,
            log.open("w", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            failure = _run_kfp(pipeline, dict(arguments), folder / "artifacts", engine)
    finally:
        del os.environ[EVENTS_VARIABLE]
    if failure is not None:
        raise _explain(failure, renderer, log)
    return renderer, folder


def _run_kfp(pipeline: str, arguments: dict[str, Any], artifacts: Path, engine: Containers | None) -> Exception | None:
    from kfp import local
    from kfp.components import load_component_from_text

    runner = engine.runner() if engine else local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(artifacts), raise_on_error=True)
    run = load_component_from_text(pipeline)
    if engine:
        return _run_apart(engine, lambda: run(**arguments))
    try:
        run(**arguments)
    except RuntimeError as error:  # kfp.local names the failed task and nothing else: the events say why
        return error
    return None


def _run_apart(engine: Containers, call: Callable[[], object]) -> Exception | None:
    """Run on another thread, so that a signal to this one is heard while kfp.local waits for containers to end."""
    failures: list[Exception] = []
    done = threading.Event()  # Thread.join takes a thread for ended once a signal interrupted it

    def work() -> None:
        try:
            with engine.in_charge():
                call()
        except Exception as error:  # kfp's own, or the Docker daemon's
            traceback.print_exc()
            failures.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="kfp", daemon=True).start()
    try:
        while not done.wait(0.2):
            pass
    except BaseException:
        engine.stop()
        done.wait(30)
        raise
    return failures[0] if failures else None


def _explain(failure: Exception, renderer: Renderer, log: Path) -> EarthenwareError:
    if renderer.failures:
        event = renderer.failures[-1]
        message = f"{event['task']}: {event['message']}"
        remedy = f"{event.get('remedy', '')} Finished steps are kept: the same command goes on from here.".strip()
        return EarthenwareError(event.get("code", "STEP_FAILED"), message, f"{remedy} (log: {log})")
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.strip() for line in lines if "Error" in line]
    said = f" Its log says: {errors[-1][:300]}" if errors else ""
    message = f"A step ended without saying why ({first_line(failure)}).{said}"
    remedy = f"It may have been killed, for instance for lack of memory; the whole log is in {log}."
    return EarthenwareError("STEP_FAILED", message, remedy)
