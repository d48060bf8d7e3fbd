"""Kills again and again: the tests marked ``soak``, and how many of them ended like one that was left alone.

Run by hand before a release: ``make soak``. The last result lies in ``benchmarks/results/soak.json``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.record import Claim, write


def run(report: Path) -> int:
    """Run the tests marked ``soak`` and write pytest's JUnit report; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-m", "soak", "-q", f"--junitxml={report}"]
    return subprocess.run(command, cwd=Path(__file__).resolve().parents[1], check=False).returncode


def claims(report: Path) -> list[Claim]:
    """Return for each test how many of its repeats passed, which must be all, and how long they took together."""
    ran: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "").partition("[")[0].removeprefix("test_").replace("_", " ")
        ran[name] += 1
        passed[name] += not any(case.iter("failure")) and not any(case.iter("error"))
        seconds[name] += round(float(case.get("time", 0)))
    found = [Claim(f"{name} ({seconds[name]} s)", passed[name], "passed", count) for name, count in ran.items()]
    return found or [Claim("repeats", 0, "passed", 1)]


def main() -> None:
    """Run, print and record."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "soak.xml"
        code = run(report)
        write("soak", claims(report) if report.exists() else [Claim("repeats", 0, "passed", 1)])
    sys.exit(code)


if __name__ == "__main__":
    main()
