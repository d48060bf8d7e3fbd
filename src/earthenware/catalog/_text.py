"""JSON text that is read piece by piece, and forgotten behind the place that was read to."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from typing import Any, Final

_SPACE: Final = " \t\n\r"
_MOST_DIGITS: Final = 400


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf  # Python reads no more than 4,300 of them


_DECODER: Final = json.JSONDecoder(parse_int=_whole)


class JsonText:
    """A document that is walked through from its beginning; what is no JSON raises ValueError."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        first = next(pieces, b"")
        self._decode = codecs.getincrementaldecoder(json.detect_encoding(first))("surrogatepass").decode
        self._pieces = pieces
        self._text, self._at, self._before = self._decode(first), 0, 0

    def value(self) -> Any:
        """Read the value that comes next."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise self._wrong(error.msg, error.pos) from None
            else:
                if len(self._text) - end > 2 or not self._more():  # 1 may be 1.5 or 1e+5, once the next piece is here
                    self._at = end
                    return found

    def members(self, ends: str) -> Iterator[None]:
        """Go through an object ``{}`` or an array ``[]``, stopping where each member begins: the caller reads it."""
        self.take(ends[0])
        if self.peek() == ends[1]:
            self.take(ends[1])
            return
        yield
        while self.take(f",{ends[1]}") == ",":
            yield

    def take(self, allowed: str) -> str:
        """Go past the next sign, which must be one of those allowed, and return it."""
        sign = self.peek()
        if not sign or sign not in allowed:
            raise self._wrong(f"Expecting {' or '.join(map(repr, allowed))}", self._at)
        self._at += 1
        return sign

    def peek(self) -> str:
        """Return the next sign that is no space; nothing at the end."""
        while True:
            while (sign := self._text[self._at : self._at + 1]) and sign in _SPACE:
                self._at += 1
            if sign or not self._more():
                return sign

    def _more(self) -> bool:
        """Read on, by as much as is left at least, as a long value is begun anew each time; False at the end."""
        added, wanted = [], len(self._text) - self._at
        for piece in self._pieces:
            added.append(self._decode(piece))
            wanted -= len(added[-1])
            if wanted <= 0:
                break
        if added:
            self._before += self._at
            self._text, self._at = self._text[self._at :] + "".join(added), 0
        return bool(added)

    def _wrong(self, what: str, where: int) -> ValueError:
        return ValueError(f"{what} at character {self._before + where}")
