"""Finding out whether a run would work: this machine, the catalog, the store, MLflow, and a cluster.

Each check is a small function that says what it found in one sentence, and what to do about it. What a check writes
lies below a prefix of its own, and is removed again.
"""

from __future__ import annotations

from earthenware.doctor._examine import Check, Finding, State, Verdict, environment, examine
from earthenware.doctor._plan import Situation, plan

__all__ = ["Check", "Finding", "Situation", "State", "Verdict", "environment", "examine", "plan"]
