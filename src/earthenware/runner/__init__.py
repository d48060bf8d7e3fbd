"""The local engine: a compiled pipeline run on this machine, in processes or in containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.runner._docker import Containers, find_image, images, prepare_root
    from earthenware.runner._run import Run, check_spec, resolve_here, run
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["Containers", "Run", "check_spec", "find_image", "images", "prepare_root", "resolve_here", "run"]
