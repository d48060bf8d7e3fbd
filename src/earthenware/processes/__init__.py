"""Processes that leave nothing behind: who one is, guarding, worker pools, and what a signal does."""

from __future__ import annotations

from earthenware.processes._guardian import guard
from earthenware.processes._identity import process_lives, process_started, process_table
from earthenware.processes._pool import process_pool
from earthenware.processes._step import ending_on_sigterm, step_process

__all__ = [
    "ending_on_sigterm",
    "guard",
    "process_lives",
    "process_pool",
    "process_started",
    "process_table",
    "step_process",
]
