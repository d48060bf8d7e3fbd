"""What every component has in common: the image it runs in, and a description of everything that goes in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kfp import dsl

from earthenware import __version__
from earthenware.graph import STEPS

__all__ = ["IMAGE", "in_platform_image", "step_component"]

IMAGE: Final = f"ghcr.io/earthenware/earthenware-python:{__version__}"
"""The platform image; 'python' in its name keeps kfp.local from warning at each step."""
PARAMETERS: Final = {
    "root": "Folder or object-store prefix that the steps of a run share",
    "package_version": "Version of earthenware that compiled the pipeline; the step refuses any other",
    "spec": "Spec of a pipeline, or the fields of this step alone: YAML, or the URI of such a file",
    "shard": "Which share of the input to work on, as index/count; empty takes what the spec says",
    "Output": "The shares into which the output can be divided, each with its shard (index/count), root and spec",
}
"""What a component takes besides artifacts, and what it returns."""


def step_component(function: Callable[..., Any]) -> Any:
    """Make a Kubeflow component of a typed function that runs the step of its name.

    The component names no resource and no secret: those come from the profile that a pipeline is compiled with.
    """
    step = STEPS[function.__name__]
    function.__doc__ = step.summary
    component = in_platform_image(function)
    said = PARAMETERS | {item.name: item.description for item in (*step.inputs, *step.outputs)}
    spec = component.component_spec
    # Kubeflow reads descriptions out of a docstring alone, and leaves output artifacts without theirs.
    for name, item in {**(spec.inputs or {}), **(spec.outputs or {})}.items():
        item.description = f"{said[name]}."
    return component


def in_platform_image(function: Callable[..., Any]) -> Any:
    """Make a component that runs in the platform's image."""
    # The image holds kfp: nothing is installed when a step starts.
    return dsl.component(base_image=IMAGE, install_kfp_package=False)(function)
