"""The local engine: a compiled pipeline run on this machine, in processes or in containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.runner._render import Terminal
    from earthenware.runner._run import Run, run
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["Run", "Terminal", "run"]
