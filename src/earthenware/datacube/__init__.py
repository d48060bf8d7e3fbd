"""From scenes to chips: every sensor on one grid of pixels, cut, masked and stored.

:func:`build` turns a table of scenes into a chip store; :func:`merge` makes one store of a build's shards.
"""

from earthenware.datacube._build import build
from earthenware.datacube._merge import merge
from earthenware.datacube._spec import BuildSpec, MergeSpec

__all__ = ["BuildSpec", "MergeSpec", "build", "merge"]
