"""The board: where workers, on whatever machine, leave notes that the driver reads."""

from __future__ import annotations

from collections import deque
from typing import Any

Note = dict[str, Any]
"""One JSON-like mapping with a ``kind``: "progress", "epoch", "log" or "error"."""


class Board:
    """A Ray actor that keeps notes until they are read; it never makes a worker wait."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=100_000)

    def post(self, note: Note) -> None:
        """Leave a note."""
        self._notes.append(note)

    def drain(self) -> list[Note]:
        """Take all notes off the board."""
        notes = list(self._notes)
        self._notes.clear()
        return notes


def open_board() -> Any:
    """Start a board; its handle may be sent to workers."""
    import ray

    return ray.remote(num_cpus=0, max_restarts=0)(Board).remote()


class Post:
    """A worker's side of the board.

    Args:
        board: Handle of the board, or anything with the same ``post``.
        remote: Whether the handle is a Ray actor's.
    """

    def __init__(self, board: Any, *, remote: bool = True) -> None:
        self._board, self._remote = board, remote

    def __call__(self, kind: str, **content: Any) -> None:
        """Leave a note without waiting for it to arrive."""
        note = {"kind": kind, **content}
        if self._remote:
            self._board.post.remote(note)
        else:
            self._board.post(note)
