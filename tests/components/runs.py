"""Running one component by itself: its Python function, or its compiled YAML in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kfp import dsl, local
from kfp.components import load_component_from_file

from earthenware import __version__
from pipelines.__main__ import COMPONENTS, ROOT
from pipelines.readme import load

Inputs = Mapping[str, str | list[str]]
"""URIs of earlier steps' outputs by the name of the input artifact."""

BUILT = {name: load(ROOT / "components" / name) for name in COMPONENTS}
KINDS = {kind.__name__: kind for kind in (dsl.Artifact, dsl.Dataset, dsl.HTML, dsl.Markdown, dsl.Metrics, dsl.Model)}


@dataclass(frozen=True)
class Ran:
    """What a component handed on: its output artifacts, and what its function returned."""

    artifacts: dict[str, Any]
    returned: Any

    def pointer(self) -> dict[str, Any]:
        """Return the content of the one output artifact that is a pointer."""
        (found,) = [made for made in self.artifacts.values() if type(made) not in (dsl.HTML, dsl.Markdown, dsl.Metrics)]
        values: dict[str, Any] = json.loads(Path(found.path).read_text())
        return values


def kind_of(item: Any) -> Any:
    """Return the artifact class of an input or output, None if it is a parameter."""
    return KINDS.get(item.type.removeprefix("system.").split("@")[0])


def write_pointer(folder: Path, uri: str) -> str:
    """Write a pointer by hand, as ``docs/components.md`` tells to; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pointer-{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps({"schema_version": 1, "uri": uri}))
    return str(path)


def _pointers(inputs: Inputs, folder: Path) -> dict[str, list[str]]:
    lists = {key: [uris] if isinstance(uris, str) else uris for key, uris in inputs.items()}
    return {key: [write_pointer(folder / "pointers", uri) for uri in uris] for key, uris in lists.items()}


def as_parameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a component for the values of its spec: YAML, of which JSON is a part."""
    spec = {key: value for key, value in values.items() if key != "shard"}
    given = {"spec": json.dumps(spec)} if spec else {}
    return given | ({"shard": values["shard"]} if "shard" in values else {})


def call(name: str, inputs: Inputs, folder: Path, version: str = __version__, **values: Any) -> Ran:
    """Call the Python function of a component with artifacts as Kubeflow's executor makes them."""
    spec = BUILT[name].component_spec
    given: dict[str, Any] = {}
    for key, uris in inputs.items():
        kind = kind_of(spec.inputs[key])
        found = [
            kind(uri=write_pointer(folder / "pointers", uri)) for uri in ([uris] if isinstance(uris, str) else uris)
        ]
        given[key] = found[0] if isinstance(uris, str) else found
    made = {
        key: kind_of(item)(name=key, uri=str(folder / "artifacts" / key), metadata={})
        for key, item in (spec.outputs or {}).items()
        if kind_of(item)
    }
    root = str(folder / "root")
    parameters = as_parameters(values)
    returned = BUILT[name].python_func(**given, **made, root=root, package_version=version, **parameters)
    return Ran(made, returned)


def run_alone(name: str, inputs: Inputs, folder: Path, **values: Any) -> Ran:
    """Run a component's YAML, alone in a pipeline that imports its inputs, through ``kfp.local``."""
    component = load_component_from_file(str(folder / "compiled" / f"{name}_component.yaml"))
    outputs = {key: kind_of(item) or list for key, item in (component.component_spec.outputs or {}).items()}
    result: Any = NamedTuple("result", list(outputs.items())) if outputs else None

    def alone() -> Any:
        given: dict[str, Any] = {}
        for key, paths in _pointers(inputs, folder).items():
            kind = kind_of(component.component_spec.inputs[key])
            if isinstance(inputs[key], str):
                given[key] = dsl.importer(artifact_uri=paths[0], artifact_class=kind).output
            else:
                with dsl.ParallelFor(paths) as path:
                    found = dsl.importer(artifact_uri=path, artifact_class=kind)
                given[key] = dsl.Collected(found.output)
        task = component(**given, root=str(folder / "root"), package_version=__version__, **as_parameters(values))
        task.set_caching_options(False)
        return result(**{key: task.outputs[key] for key in outputs}) if result else None

    alone.__annotations__["return"] = result  # by this Kubeflow knows a pipeline's outputs
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(folder / "artifacts"), raise_on_error=True)
    done = dsl.pipeline(name=f"{name}-alone")(alone)()
    made = {key: done.outputs[key] for key in outputs}
    return Ran({key: item for key, item in made.items() if isinstance(item, dsl.Artifact)}, made.get("Output"))
