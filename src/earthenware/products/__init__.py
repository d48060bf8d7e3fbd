"""Files that one step writes and others read, as typed documents: one writer and one reader for each."""

from __future__ import annotations

from earthenware.products._verdict import (
    VERDICT_FILE,
    BandFigures,
    Breach,
    Met,
    StoreFigures,
    Verdict,
    put_verdict,
    read_verdict,
)

__all__ = [
    "VERDICT_FILE",
    "BandFigures",
    "Breach",
    "Met",
    "StoreFigures",
    "Verdict",
    "put_verdict",
    "read_verdict",
]
