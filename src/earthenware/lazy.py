"""Packages that import what they export when it is first used: reading a spec shall not load a raster library."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def lazy_exports(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package (PEP 562) that imports an export when it is first asked for.

    What a package exports is said once, as imports that type checkers, editors and readers understand and that Python
    itself skips; this reads the same lines::

        if TYPE_CHECKING:
            from earthenware.catalog._query import query
        else:
            __getattr__, __dir__ = lazy_exports(__name__)

    Args:
        package: Full name of the package that calls this.
    """
    module = sys.modules[package]
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    home = {
        alias.name: str(line.module)
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(home[name]), name)
        setattr(module, name, value)  # asked once
        return value

    def names() -> list[str]:
        return sorted({*vars(module), *home})

    return get, names
