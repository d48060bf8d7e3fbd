"""From scenes to chips: every sensor on one grid of pixels, cut, masked and stored.

:func:`build` turns a table of scenes into a chip store; :func:`merge` makes one store of a build's shards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.datacube._build import build, merge
    from earthenware.datacube._spec import BuildSpec, MergeSpec
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["BuildSpec", "MergeSpec", "build", "merge"]
