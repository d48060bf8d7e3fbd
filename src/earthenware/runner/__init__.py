"""The local engine: a compiled pipeline run on this machine, in processes or in containers."""

from __future__ import annotations

from earthenware.runner._docker import Containers, find_image, images, prepare_root
from earthenware.runner._local import run_local
from earthenware.runner._render import Renderer

__all__ = ["Containers", "Renderer", "find_image", "images", "prepare_root", "run_local"]
