"""The command line: arguments in, library calls out."""

from __future__ import annotations

from earthenware.cli._main import main
from earthenware.cli.specs import PretrainSpec, flatten

__all__ = ["PretrainSpec", "flatten", "main"]
