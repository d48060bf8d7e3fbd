"""What every component has in common: the image it runs in."""

from __future__ import annotations

import functools

from kfp import dsl

from earthenware import __version__

__all__ = ["IMAGE", "step_component"]

IMAGE = f"ghcr.io/earthenware/earthenware-python:{__version__}"
"""The platform image; 'python' in its name keeps kfp.local from warning at each step."""

# The image holds kfp: nothing is installed when a step starts.
step_component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
