"""Running the checks of one subject, as ``earthenware doctor`` does."""

from __future__ import annotations

from typing import Any

from earthenware.compiling import Profile, load_profile
from earthenware.doctor import Finding, Situation, environment, examine, plan

SECRET = "hunter2-secret"


def look(subject: str, profile: str | Profile = "laptop", **values: Any) -> dict[str, Finding]:
    """Run the checks whose names begin with a subject; return what they found by the rest of their names."""
    chosen = load_profile(profile) if isinstance(profile, str) else profile
    situation = Situation(chosen, **{"seconds": 20.0, **values})
    with environment(situation.environment):
        checks = plan(situation)
        wanted = {check.name for check in checks if check.name.split(":")[0] == subject}
        for check in reversed(checks):  # what they wait for stands before them
            wanted |= {check.after} if check.name in wanted else set()
        findings = examine([check for check in checks if check.name in wanted], secrets=situation.secrets)
    for finding in findings:
        _holds(finding)
    mine = [finding for finding in findings if finding.check.split(":")[0] == subject]
    return {finding.check.partition(": ")[2] or subject: finding for finding in mine}


def _holds(finding: Finding) -> None:
    """Assert what holds for every finding."""
    assert finding.sentence.endswith((".", "?")), finding
    assert "\n" not in finding.sentence + finding.remedy
    assert len(finding.sentence) < 500
    assert SECRET not in repr(finding)
    if finding.state in ("failed", "warning"):
        assert finding.remedy.endswith((".", "?")), finding
