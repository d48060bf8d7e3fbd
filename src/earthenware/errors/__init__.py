"""The one public error: a code, a sentence that says what and where, and what to do about it."""

from __future__ import annotations

from earthenware.errors._codes import CODES, EXIT_CODES, KINDS, Code, Kind
from earthenware.errors._error import EarthenwareError
from earthenware.errors._words import first_line, invalid_fields

__all__ = ["CODES", "EXIT_CODES", "KINDS", "Code", "EarthenwareError", "Kind", "first_line", "invalid_fields"]
