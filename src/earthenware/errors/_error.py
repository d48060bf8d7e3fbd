"""The error that every public function raises."""

from __future__ import annotations

from earthenware.errors._codes import CODES, KINDS


class EarthenwareError(Exception):
    """An error that a user can act on.

    Attributes:
        code: Upper-case identifier that scripts may match, such as ``EMPTY_SEARCH``; :data:`CODES` lists them all.
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

    @property
    def kind(self) -> str:
        """Whose matter it is. A code of another version, read from its ``error.json``, is a failure of the step."""
        return CODES[self.code].kind if self.code in CODES else "failed"

    @property
    def exit_code(self) -> int:
        """What a process that ends with this error returns."""
        return KINDS[self.kind].exit_code

    def to_json(self) -> dict[str, str]:
        """Return the mapping that ``error.json`` holds."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy}
