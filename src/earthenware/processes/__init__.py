"""Processes that leave nothing behind: who one is, guarding, worker pools, and what a signal does."""

from __future__ import annotations

from earthenware.processes._guardian import ending_on_sigterm, guard, step_process
from earthenware.processes._identity import process_lives, process_started, process_table
from earthenware.processes._pool import process_pool

__all__ = [
    "ending_on_sigterm",
    "guard",
    "process_lives",
    "process_pool",
    "process_started",
    "process_table",
    "step_process",
]
