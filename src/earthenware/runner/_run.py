"""A whole pipeline on this machine, from its spec to what came of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from earthenware import storage
from earthenware.compiling import compile_pipeline, compiled_pipeline, load_profile
from earthenware.errors import EarthenwareError
from earthenware.graph import (
    Pipeline,
    PipelineSpec,
    arguments,
    find_pipeline,
    load_spec,
    meaning,
    spec_type,
    spec_yaml,
    with_values,
)
from earthenware.runner._docker import Containers, find_image, images, prepare_root
from earthenware.runner._local import run_local
from earthenware.steps import Manifest, override, parse_spec, read_manifest


@dataclass(frozen=True)
class Run:
    """A run of a pipeline that ended well.

    Attributes:
        pipeline: What was run.
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
    checked = resolve_here(graph, check_spec(graph, spec, assignments))
    if image and runner != "docker":
        raise EarthenwareError("BAD_OPTION", "An image is given, and child processes run in none.", "Run with docker.")
    local = storage.is_local(checked.root)
    folder = Path(runs) if runs else (storage.local_path(checked.root) / "runs" if local else Path("runs"))
    text = compiled_pipeline(pipeline).read_text(encoding="utf-8")
    containers = None
    if runner == "docker":
        compiled = compile_pipeline(pipeline, load_profile("laptop"), image)
        text = compiled.text
        for name in images(compiled.spec):
            find_image(name)
        prepare_root(checked.root)
        containers = functools.partial(Containers, checked.root, tuple(_catalogs(graph, checked).values()))
    given = arguments(graph, checked)
    renderer, made = run_local(text, given, folder.absolute(), containers, spec_yaml(graph, checked), stream)
    return Run(graph, checked, made, {step: uri for step, uri in renderer.outputs.items() if uri}, renderer.seconds)


def check_spec(
    pipeline: Pipeline, spec: PipelineSpec | Mapping[str, Any] | str | Path, assignments: Sequence[str] = ()
) -> PipelineSpec:
    """Return a spec, given as itself, as its values or as a file, with fields changed and all of it checked."""
    if isinstance(spec, str | Path):
        return load_spec(pipeline.name, str(spec), assignments)
    values = spec.model_dump(by_alias=True) if isinstance(spec, PipelineSpec) else dict(spec)
    return parse_spec(spec_type(pipeline), override(values, tuple(assignments)))


def resolve_here(pipeline: Pipeline, spec: PipelineSpec) -> PipelineSpec:
    """Return a spec whose addresses on this machine are absolute: the steps run elsewhere."""
    spec = with_values(spec, {"root": storage.normalise(spec.root)})
    return with_values(spec, {path: storage.normalise(uri) for path, uri in _catalogs(pipeline, spec).items()})


def _catalogs(pipeline: Pipeline, spec: PipelineSpec) -> dict[str, str]:
    """Return the catalogs that are files of this machine, by their fields' paths."""
    found = {field.path: str(field.of(spec)) for field in meaning(pipeline, "catalog")}
    return {path: uri for path, uri in found.items() if storage.is_local(uri)}
