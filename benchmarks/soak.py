"""Attacks again and again: the tests marked ``soak``, and how many of the trials ended as they must.

Run by hand before a release: ``make soak``; ``SOAK_TRIALS=3`` makes three times as many of most. The last result lies
in ``benchmarks/results/soak.json``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.record import Claim, write

TRIALS, FAILED, KIND = "trials", "failed", "kind"
"""Properties that a test may record: how many trials it held, how many of them failed, and a kind that one was of."""


def run(report: Path) -> int:
    """Run the tests marked ``soak``, two at a time, and write pytest's JUnit report; return pytest's exit code."""
    spread = ["-n", "2", "--dist", "loadfile"]
    command = [sys.executable, "-m", "pytest", "-m", "soak", "-v", *spread, f"--junitxml={report}"]
    shown = ["-o", "console_output_style=count", "-o", "junit_logging=no"]
    return subprocess.run([*command, *shown], cwd=Path(__file__).resolve().parents[1], check=False).returncode


def claims(report: Path) -> tuple[list[Claim], dict[str, float]]:
    """Return for each attack how many of its trials passed, which must be all, with seconds; and trials per kind."""
    ran: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "").partition("[")[0].removeprefix("test_").replace("_", " ")
        told = [(one.get("name", ""), one.get("value", "")) for one in case.iter("property")]
        trials = int(dict(told).get(TRIALS, 1))
        whole = not any(case.find(what) is not None for what in ("failure", "error", "skipped"))
        ran[name] += trials
        passed[name] += trials if whole else trials - int(dict(told).get(FAILED, trials))
        seconds[name] += round(float(case.get("time", 0)))
        kinds.update(f"{name}: {value}" for what, value in told if what == KIND)
    found = [Claim(f"{name} ({seconds[name]} s)", passed[name], "passed", count) for name, count in ran.items()]
    return found or [Claim("trials", 0, "passed", 1)], dict(sorted(kinds.items()))


def main() -> None:
    """Run, print and record."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "soak.xml"
        code = run(report)
        found, kinds = claims(report) if report.exists() else ([Claim("trials", 0, "passed", 1)], {})
    write("soak", found, {"seconds": time.monotonic() - began, **kinds})
    sys.exit(code)


if __name__ == "__main__":
    main()
