"""Kubeflow pipelines made from the graph: their tasks, their wiring, and the form in which a run is started."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from kfp import dsl

from components.base import in_platform_image
from earthenware import __version__
from earthenware.graph import CONFIGURE, Pipeline, Task, docstring, find_pipeline, form, signature

__all__ = ["kubeflow_pipeline"]


def kubeflow_pipeline(name: str) -> Any:
    """Return the Kubeflow pipeline that the graph declares under ``name``.

    Its first task makes the spec of the run out of the form; every other task is the component of a step.
    """
    pipeline = find_pipeline(name)
    function = _function(pipeline, _configure(pipeline))
    return dsl.pipeline(name=f"earthenware-{name}", display_name=f"Earthenware: {name}")(function)


def _function(pipeline: Pipeline, configure: Any) -> Callable[..., None]:
    def run(*values: Any) -> None:
        entries = (entry.name for entry in form(pipeline))
        made = {CONFIGURE: configure(package_version=__version__, **dict(zip(entries, values, strict=True)))}
        root, spec = (made[CONFIGURE].outputs[name] for name in ("root", "spec"))
        for task in pipeline.tasks:
            given = {}
            for name in task.inputs:
                source, output = pipeline.source(task, name)
                found = made[source.step.name].outputs[output.name]
                given[name] = dsl.Collected(found) if source.fan_out else found
            if task.fan_out:
                shares = made[pipeline.shares(task).step.name].outputs["Output"]
                with dsl.ParallelFor(shares, name="shards") as share:
                    made[task.step.name] = _start(task, given, share.root, share.spec, {"shard": share.shard})
            else:
                made[task.step.name] = _start(task, given, root, spec, {})
            made[task.step.name].after(*(made[other] for other in task.after))
        for one in made.values():
            # Each step knows by its own manifest whether there is anything to do: Kubeflow's cache would only guess.
            one.set_caching_options(False)

    run.__name__, run.__doc__ = pipeline.name, docstring(pipeline)
    run.__signature__ = signature(pipeline)  # type: ignore[attr-defined]
    return run


def _start(task: Task, inputs: Mapping[str, Any], root: Any, spec: Any, more: Mapping[str, Any]) -> Any:
    component = getattr(import_module(f"components.{task.step.name}.component"), task.step.name)
    if "spec" in component.component_spec.inputs:
        more = {"spec": spec, **more}
    return component(**inputs, root=root, package_version=__version__, **more)


def _configure(pipeline: Pipeline) -> Any:
    """Return the component that takes the run form. Kubeflow runs it from its source, which the form makes."""
    entries = [(one.name, one.annotation.__name__) for one in signature(pipeline).parameters.values()]
    source = [
        f"def {CONFIGURE}(",
        *(f"    {name}: {kind}," for name, kind in (("shown", "dsl.Output[dsl.Markdown]"), *entries)),
        "    package_version: str,",
        ") -> NamedTuple('Configured', [('spec', str), ('root', str)]):",
        "    from earthenware.graph import configure as run",
        "",
        f"    given = dict({', '.join(f'{name}={name}' for name, _ in entries)})",
        f"    return run({pipeline.name!r}, package_version, given, shown)",
    ]
    file = f"<{CONFIGURE} of {pipeline.name}>"
    text = "\n".join(source) + "\n"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # where Kubeflow looks for it
    names: dict[str, Any] = {"NamedTuple": NamedTuple, "dsl": dsl}
    exec(compile(text, file, "exec", dont_inherit=True), names)
    function = names[CONFIGURE]
    function.__doc__ = "Make the spec of the run out of its form, check all of it, and keep it below the root."
    component = in_platform_image(function)
    said = {one.name: one.description for one in form(pipeline)}
    said |= {"package_version": "Version of earthenware that compiled the pipeline; the step refuses any other"}
    spec = component.component_spec
    for name, item in spec.inputs.items():
        item.description = f"{said[name]}."
    spec.outputs["shown"].description = "The spec of the run, to be read."
    spec.outputs["spec"].description = "URI of the spec of the run: YAML with every field."
    spec.outputs["root"].description = "Folder or object-store prefix that the steps of the run share."
    return component
