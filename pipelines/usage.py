"""The usage example in a README: a pipeline of one component, which reads what another run wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["is_artifact", "usage"]


def is_artifact(item: Any) -> bool:
    """Return whether an input is an artifact, in contrast to a parameter."""
    return "." in item.type


def usage(kind: str, made: Any) -> list[str]:
    """Return the lines of the example for something in the folder ``kind``."""
    return list(_component(made) if kind == "components" else _pipeline(made))


def _pipeline(pipeline: Any) -> Iterator[str]:
    name = pipeline.component_spec.name.removeprefix("earthenware-")
    yield from (
        "```sh",
        f"earthenware run {name} --spec spec.yaml                  # on this machine",
        f"earthenware submit {name} --spec spec.yaml --host URL    # on a cluster",
        "```",
    )


def _component(component: Any) -> Iterator[str]:
    spec = component.component_spec
    name = spec.name
    artifacts = {key: item for key, item in (spec.inputs or {}).items() if is_artifact(item)}
    yield f"Compile it with `python -m pipelines --components .`, then, with `{name}_component.yaml` at hand:"
    yield from ("", "```python", "from kfp import components, dsl", "")
    yield f'{name} = components.load_component_from_file("{name}_component.yaml")'
    yield from ("", "")
    yield f'@dsl.pipeline(name="{name}-alone")'
    types = {key: "list[str]" if item.is_artifact_list else "str" for key, item in artifacts.items()}
    arguments = [*(f"{key}: {kind}" for key, kind in types.items()), "root: str", "package_version: str"]
    yield f"def {name}_alone({', '.join(arguments)}) -> None:"
    if artifacts:
        yield "    # Each of these is the URI of a pointer that a former run left."
    given = []
    for key, item in artifacts.items():
        kind = item.type.removeprefix("system.").split("@")[0]
        if item.is_artifact_list:
            yield f"    with dsl.ParallelFor({key}) as uri:"
            yield f"        {key}_found = dsl.importer(artifact_uri=uri, artifact_class=dsl.{kind})"
            given.append(f"{key}=dsl.Collected({key}_found.output)")
        else:
            yield f"    {key}_found = dsl.importer(artifact_uri={key}, artifact_class=dsl.{kind})"
            given.append(f"{key}={key}_found.output")
    given += ["root=root", "package_version=package_version"]
    yield f"    task = {name}("
    yield from (f"        {argument}," for argument in given)
    yield "    )"
    yield "    task.set_caching_options(False)  # the step finds by itself what is done already"
    yield "```"
