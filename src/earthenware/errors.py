"""The one public error: a code, a sentence that says what and where, and what to do about it."""

from __future__ import annotations

from typing import Any


class EarthenwareError(Exception):
    """An error that a user can act on.

    Attributes:
        code: Upper-case identifier that scripts may match, such as ``EMPTY_SEARCH``.
        message: One sentence that says what went wrong and names the field, file or URL.
        remedy: What to do about it; empty when the message says it all.
    """

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def __reduce__(self) -> tuple[type[EarthenwareError], tuple[str, str, str]]:
        # Exceptions are rebuilt from their args when they cross a process boundary: give all three.
        return type(self), (self.code, self.message, self.remedy)

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``error.json`` holds."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy}
