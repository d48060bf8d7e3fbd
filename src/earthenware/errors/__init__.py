"""The one public error: a code, a sentence that says what and where, and what to do about it.

Here, too, what others raise is turned into words of ours, and waited for while it may pass.
"""

from __future__ import annotations

from earthenware.errors._again import again
from earthenware.errors._codes import CODES, EXIT_CODES, KINDS
from earthenware.errors._error import EarthenwareError
from earthenware.errors._words import first_line, invalid_fields, one_line, printable, reason, redact, redact_text

__all__ = [
    "CODES",
    "EXIT_CODES",
    "KINDS",
    "EarthenwareError",
    "again",
    "first_line",
    "invalid_fields",
    "one_line",
    "printable",
    "reason",
    "redact",
    "redact_text",
]
