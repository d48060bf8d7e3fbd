"""What a training run is told, on every worker alike, and the board where workers leave notes for the driver."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.models import ModelFamily
from earthenware.training._spec import TrainSpec

Note = dict[str, Any]
"""One JSON-like mapping with a ``kind``: "progress", "epoch", "log" or "error"."""


@dataclass(frozen=True)
class Job:
    """What to train.

    Attributes:
        spec: The spec.
        chips: URI of the chip store.
        checkpoints: Prefix of the checkpoints.
        token: Name of this launch, for files that the workers of one machine share.
        family: Family of the model; the process that trains may not know it yet.
    """

    spec: TrainSpec
    chips: str
    checkpoints: str
    token: str
    family: ModelFamily[Any]


def split_chips(store: ChipStore, split: str) -> NDArray[np.int64]:
    """Return the numbers of a split's chips `[chip]`, in the order of their ids."""
    splits = store.index["split"].to_numpy(zero_copy_only=False)
    return np.flatnonzero(splits == split).astype(np.int64)


def total_steps(chips: int, spec: TrainSpec) -> int:
    """Return the number of optimiser steps of a whole run over ``chips`` training chips."""
    return spec.epochs * -(-chips // spec.batch_size)


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
