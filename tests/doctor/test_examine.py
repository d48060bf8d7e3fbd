"""Running checks: all at once, each for a limited time, with what depends on a failure left out."""

from __future__ import annotations

import os
import threading
import time

import pytest

from earthenware.doctor import Check, Finding, Verdict, environment, examine
from earthenware.errors import EarthenwareError

FINE = Verdict("ok", "Fine.")


def test_findings_come_in_the_order_of_the_checks_and_tell_when_each_came() -> None:
    first_may_end = threading.Event()
    seen: list[str] = []

    def slow() -> Verdict:
        assert first_may_end.wait(30)
        return FINE

    def told(finding: Finding) -> None:
        seen.append(finding.check)
        first_may_end.set()

    findings = examine([Check("slow", slow, seconds=60), Check("quick", lambda: FINE)], told)
    assert [finding.check for finding in findings] == ["slow", "quick"]
    assert seen == ["quick", "slow"]


def test_a_check_that_does_not_end_is_given_up_and_the_others_are_not() -> None:
    never = threading.Event()
    began = time.monotonic()

    def waits() -> Verdict:
        never.wait(60)
        return FINE

    findings = examine([Check("stuck", waits, seconds=0.2), Check("fine", lambda: FINE)])
    never.set()
    assert time.monotonic() - began < 20
    assert [finding.state for finding in findings] == ["failed", "ok"]
    assert "within 0.2 s" in findings[0].sentence
    assert "--timeout" in findings[0].remedy


def test_what_a_given_up_check_wrote_is_still_removed() -> None:
    left = ["an object"]
    begun = threading.Event()

    def writes() -> Verdict:
        begun.set()
        time.sleep(0.5)
        left.clear()
        return FINE

    (finding,) = examine([Check("store", writes, seconds=0.05, writes=True)])
    assert finding.state == "failed"
    assert left == []


def test_an_interrupted_doctor_removes_what_it_wrote() -> None:
    left = ["an object"]

    def writes() -> Verdict:
        time.sleep(0.5)
        left.clear()
        return FINE

    def interrupt(finding: Finding) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine([Check("store", writes, writes=True), Check("quick", lambda: FINE)], interrupt)
    assert left == []


def test_what_rests_on_a_failure_is_skipped_all_the_way() -> None:
    def fails() -> Verdict:
        raise EarthenwareError("X", "There is no bucket.", "Make one.")

    ran: list[str] = []

    def runs() -> Verdict:
        ran.append("x")
        return FINE

    findings = examine([Check("a", fails), Check("b", runs, after="a"), Check("c", runs, after="b"), Check("d", runs)])
    assert [finding.state for finding in findings] == ["failed", "skipped", "skipped", "ok"]
    assert (findings[0].sentence, findings[0].remedy) == ("There is no bucket.", "Make one.")
    assert "'a' was failed" in findings[1].sentence
    assert ran == ["x"]


def test_a_warning_does_not_stop_what_rests_on_it() -> None:
    warns = Check("a", lambda: Verdict("warning", "Small.", "Enlarge it."))
    assert [finding.state for finding in examine([warns, Check("b", lambda: FINE, after="a")])] == ["warning", "ok"]


def test_a_check_that_breaks_is_a_failure_and_not_the_end() -> None:
    def breaks() -> Verdict:
        raise RuntimeError("https://user:hunter2@host/x?sig=hunter2 is odd\nsecond line")

    finding, other = examine([Check("a", breaks), Check("b", lambda: FINE)])
    assert finding.state == "failed"
    assert "RuntimeError" in finding.sentence
    assert "hunter2" not in finding.sentence
    assert "second line" not in finding.sentence
    assert other.state == "ok"


def test_secrets_are_masked_wherever_they_come_from() -> None:
    says = Check("a", lambda: Verdict("failed", "The server said: bad token abc123xyz.", "Is abc123xyz right?"))
    (finding,) = examine([says], secrets=("abc123xyz", ""))
    assert "abc123xyz" not in repr(finding)
    assert "***" in finding.sentence


def test_checks_that_cannot_be_ordered_are_refused() -> None:
    for checks in ([Check("a", lambda: FINE, after="b")], [Check("a", lambda: FINE), Check("a", lambda: FINE)]):
        with pytest.raises(ValueError, match="stands twice, or before"):
            examine(checks)


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_A", "1")
    monkeypatch.delenv("EARTHENWARE_B", raising=False)
    with environment({"EARTHENWARE_A": "2", "EARTHENWARE_B": "3"}):
        assert (os.environ["EARTHENWARE_A"], os.environ["EARTHENWARE_B"]) == ("2", "3")
    assert os.environ["EARTHENWARE_A"] == "1"
    assert "EARTHENWARE_B" not in os.environ
