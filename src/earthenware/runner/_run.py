"""A whole pipeline on this machine: its compiled graph, run by ``kfp.local``, and what went wrong where it does."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from earthenware import storage
from earthenware.compiling import compile_pipeline, compiled_pipeline, load_profile
from earthenware.errors import EarthenwareError, first_line
from earthenware.graph import (
    Pipeline,
    PipelineSpec,
    arguments,
    find_pipeline,
    load_spec,
    meaning,
    require,
    spec_yaml,
    with_values,
)
from earthenware.processes import scratch_folder, step_process
from earthenware.runner._children import Children
from earthenware.runner._docker import Containers, find_image, images, prepare_root
from earthenware.runner._render import Renderer
from earthenware.steps import EVENTS_VARIABLE, Manifest, read_manifest


@dataclass(frozen=True)
class Run:
    """A run of a pipeline that ended well.

    Attributes:
        spec: What it was asked to do, resolved: addresses of this machine are absolute.
        folder: Where its spec, its steps' events, Kubeflow's log and its pointer artifacts lie.
        outputs: Output URI of each step that has one; of a step with several shards, that of the last to end.
        seconds: Wall-clock seconds of each task; near zero where there was nothing to do.
    """

    pipeline: Pipeline
    spec: PipelineSpec
    folder: Path
    outputs: dict[str, str]
    seconds: dict[str, float]

    def manifest(self, step: str) -> Manifest:
        """Return what a step of the run read and made."""
        return read_manifest(self.outputs[step])


def run(
    pipeline: str,
    spec: PipelineSpec | Mapping[str, Any] | str | Path,
    assignments: Sequence[str] = (),
    *,
    runner: Literal["process", "docker"] = "process",
    image: str = "",
    runs: Path | str | None = None,
    stream: IO[str] | None = None,
) -> Run:
    """Run a pipeline on this machine with the same compiled graph that a cluster runs, and show its progress.

    Steps that are finished for the same spec and inputs are not run again; a run that was killed is resumed by the same
    call::

        from earthenware.runner import run

        done = run("pretrain", {"query": {"catalog": "work/sandbox/items.json"}}, ["train.epochs=3"])
        done.manifest("embed").counts

    Args:
        pipeline: Its name, such as ``pretrain``.
        spec: The spec itself, its values, or the path or URI of its YAML.
        assignments: Fields to change, each as ``section.field=value``.
        runner: Run each step as a child process, or in a container.
        image: Image of the containers; empty takes the pipeline's own.
        runs: Folder of the runs' events and logs; by default ``ROOT/runs``, or ``./runs`` for a remote root.
        stream: Where progress is shown; standard output by default.

    Raises:
        EarthenwareError: What is wrong with the spec, before anything is started; the failed step's own error, or
            ``STEP_FAILED`` when it died without a word; ``NO_DOCKER``, ``NO_IMAGE``, ``ROOT_NOT_WRITABLE``.
    """
    graph = find_pipeline(pipeline)
    given = load_spec(pipeline, spec, assignments)
    catalogs = {field.path: str(field.of(given)) for field in meaning(graph, "catalog")}
    files = {path: storage.normalise(uri) for path, uri in catalogs.items() if storage.is_local(uri)}
    # The steps run elsewhere: addresses on this machine must be absolute.
    checked = with_values(given, {"root": storage.normalise(given.root), **files})
    if image and runner != "docker":
        raise EarthenwareError("BAD_OPTION", "An image is given, and child processes run in none.", "Run with docker.")
    require(graph, checked)
    local = storage.is_local(checked.root)
    place = Path(runs) if runs else (storage.local_path(checked.root) / "runs" if local else Path("runs"))
    folder = place.absolute() / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    text = compiled_pipeline(pipeline).read_text(encoding="utf-8")
    containers = None
    if runner == "docker":
        compiled = compile_pipeline(pipeline, load_profile("laptop"), image)
        text = compiled.text
        for name in images(compiled.spec):
            find_image(name)
        prepare_root(checked.root)
        containers = Containers(checked.root, tuple(files.values()), folder)
    storage.write_bytes(str(folder / "spec.yaml"), spec_yaml(graph, checked).encode())
    (folder / "events").mkdir()
    renderer = _run_and_show(text, arguments(graph, checked), folder, containers, stream or sys.stdout)
    outputs = {step: uri for step, uri in renderer.outputs.items() if uri}
    return Run(graph, checked, folder, outputs, renderer.seconds)


def _run_and_show(
    pipeline: str, given: dict[str, Any], folder: Path, containers: Containers | None, terminal: IO[str]
) -> Renderer:
    """Run a compiled YAML with its parameters; return what has seen all the events."""
    log, events = folder / "kfp.log", folder / "events"
    os.environ[EVENTS_VARIABLE] = str(events)
    try:
        with (
            scratch_folder("run") as scratch,
            # Before the guard, which must not end what ends the containers.
            containers or contextlib.nullcontext(Children(scratch)) as engine,
            step_process(),
            Renderer(events, terminal) as renderer,
            log.open("w", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            failure = _run_kfp(pipeline, given, folder / "artifacts", scratch / "workspace", engine)
    finally:
        del os.environ[EVENTS_VARIABLE]
    if failure is not None:
        raise _explain(failure, renderer, log)
    return renderer


def _run_kfp(
    pipeline: str, given: dict[str, Any], artifacts: Path, workspace: Path, engine: Containers | Children
) -> Exception | None:
    """Run on another thread, so that a signal to this one is heard while kfp.local waits for a step to end."""
    from kfp import local
    from kfp.components import load_component_from_text

    workspace.mkdir()
    local.init(engine.runner(), pipeline_root=str(artifacts), workspace_root=str(workspace), raise_on_error=True)
    component = load_component_from_text(pipeline)
    failures: list[Exception] = []
    done = threading.Event()  # Thread.join takes a thread for ended once a signal interrupted it

    def work() -> None:
        try:
            with engine.in_charge():
                component(**given)
        except Exception as error:  # kfp's own, which names the failed task and no more, or the Docker daemon's
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
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    errors = [line for line in lines if "Error" in line]
    said = f" Its log says: {errors[-1][:300]}" if errors else ""
    message = f"A step ended without saying why ({first_line(failure)}).{said}"
    remedy = f"It may have been killed, for instance for lack of memory; the whole log is in {log}."
    return EarthenwareError("STEP_FAILED", message, remedy)
