"""What a benchmark writes: the machine, the date, and a list of claims that hold or do not."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earthenware import __version__

__all__ = ["Claim", "write"]


@dataclass(frozen=True)
class Claim:
    """One figure; ``required`` is False for what needs an accelerator or a larger machine."""

    name: str
    value: float
    unit: str
    goal: float
    required: bool = True

    @property
    def holds(self) -> bool:
        """Return whether the figure reaches its goal."""
        return self.value >= self.goal


def write(benchmark: str, claims: list[Claim], figures: dict[str, float] | None = None) -> None:
    """Print the claims and write ``benchmarks/results/<benchmark>.json``.

    Args:
        benchmark: Its name.
        claims: What is claimed.
        figures: What was measured on the way, by a name that says the unit.
    """
    for claim in claims:
        mark = "holds" if claim.holds else "DOES NOT HOLD"
        sys.stdout.write(f"{claim.name:<58} {claim.value:8.2f} {claim.unit:<8} goal {claim.goal:g}: {mark}\n")
    for name, value in (figures or {}).items():
        sys.stdout.write(f"{name:<58} {value:8.0f}\n")
    record: dict[str, Any] = {
        "benchmark": benchmark,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "earthenware": __version__,
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "claims": [{**asdict(claim), "value": round(claim.value, 3), "holds": claim.holds} for claim in claims],
    }
    if figures:
        record["figures"] = {name: round(value, 1) for name, value in figures.items()}
    path = Path(__file__).parent / "results" / f"{benchmark}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
