"""The command line: arguments in, library calls out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.cli._main import main
    from earthenware.cli.specs import PretrainSpec, flatten
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["PretrainSpec", "flatten", "main"]
