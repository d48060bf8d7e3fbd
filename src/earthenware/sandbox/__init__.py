"""A small synthetic Earth: a STAC catalog and its COGs made on the spot, for trials without a network and for tests.

The landscapes, seasons and instruments are simple models, not copies of real scenes. What they share with real data is
what a pipeline must cope with: grids, zones, native resolutions, offsets, clouds, gaps, speckle, tile borders.
"""

from __future__ import annotations

from earthenware.sandbox._make import SandboxSummary, make_sandbox
from earthenware.sandbox._spec import SandboxSpec

__all__ = ["SandboxSpec", "SandboxSummary", "make_sandbox"]
