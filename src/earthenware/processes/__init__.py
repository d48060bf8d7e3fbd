"""Processes that leave nothing behind: who one is, guarding, pools, scratch, limits of memory, and signals."""

from __future__ import annotations

from earthenware.processes._guardian import ending_on_sigterm, guard, step_process
from earthenware.processes._identity import process_lives, process_started, process_table
from earthenware.processes._limits import cpu_limit, memory_limit, require_room
from earthenware.processes._pool import process_pool
from earthenware.processes._scratch import scratch_folder

__all__ = [
    "cpu_limit",
    "ending_on_sigterm",
    "guard",
    "memory_limit",
    "process_lives",
    "process_pool",
    "process_started",
    "process_table",
    "require_room",
    "scratch_folder",
    "step_process",
]
