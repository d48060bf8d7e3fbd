"""What every component has in common: the image it runs in, and a description of everything that goes in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import docstring_parser
from kfp import dsl

from earthenware import __version__

__all__ = ["IMAGE", "step_component"]

IMAGE = f"ghcr.io/earthenware/earthenware-python:{__version__}"
"""The platform image; 'python' in its name keeps kfp.local from warning at each step."""


def step_component(function: Callable[..., Any]) -> Any:
    """Make a Kubeflow component of a typed function whose body calls one step.

    The component names no resource and no secret: those come from the profile that a pipeline is compiled with.
    """
    # The image holds kfp: nothing is installed when a step starts.
    component = dsl.component(base_image=IMAGE, install_kfp_package=False)(function)
    docstring = docstring_parser.parse(function.__doc__ or "")
    said = {item.arg_name: item.description for item in docstring.params}
    if docstring.returns:
        said["Output"] = docstring.returns.description
    spec = component.component_spec
    # Kubeflow leaves output artifacts without their descriptions, and keeps the docstring's line breaks.
    for name, item in {**(spec.inputs or {}), **(spec.outputs or {})}.items():
        item.description = " ".join((said.get(name) or "").split())
    return component
