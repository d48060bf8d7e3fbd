"""Validating a chip store: expectations over its index, its pixels, its radiometry and its files; a verdict; a gate.

:func:`validate` always ends with a verdict, :func:`gate` raises when that verdict is bad. ``EXPECTATIONS`` lists the
expectations by name with their severity, which a spec may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.validation._expectations import EXPECTATIONS
    from earthenware.validation._spec import ValidateSpec
    from earthenware.validation._validate import gate, validate
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["EXPECTATIONS", "ValidateSpec", "gate", "validate"]
