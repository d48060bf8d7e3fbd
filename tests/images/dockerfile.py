"""Reading a Dockerfile, for the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals, its arguments on one line, and the number of the stage it is in."""

    name: str
    arguments: str
    stage: int


def read_dockerfile(image: str) -> list[Instruction]:
    """Return the instructions of ``images/<image>/Dockerfile``; stage 0 is what comes before the first FROM."""
    text = (ROOT / "images" / image / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"(?m)^\s*#.*\n", "", text)
    found, stage = [], 0
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        if line.strip():
            name, _, arguments = line.strip().partition(" ")
            stage += name.upper() == "FROM"
            found.append(Instruction(name.upper(), arguments.strip(), stage))
    return found
