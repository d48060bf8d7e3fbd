"""The command line: arguments in, library calls out."""

from __future__ import annotations

from earthenware.cli._main import main

__all__ = ["main"]
