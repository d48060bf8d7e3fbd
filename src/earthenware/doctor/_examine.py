"""What a check is and what it says; and running checks at the same time, each for a limited time."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from earthenware import storage
from earthenware.errors import EarthenwareError, first_line

_CLEAN_UP_SECONDS: Final = 20.0
"""How long the removal of what a check wrote is waited for, after the check itself was given up."""
_SHORTEST_SECRET: Final = 4

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Verdict:
    """What a check found, without the check's name; see :class:`Finding`."""

    state: State
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check.
        state: ``ok``; ``warning``, which may become a trouble; ``failed``; or ``skipped``, as it could not be asked.
        sentence: What was found, in one sentence.
        remedy: What to do about it; never empty where ``failed``.
        seconds: How long it took.
    """

    check: str
    state: State
    sentence: str
    remedy: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """Something to find out.

    Attributes:
        name: Shown to the user.
        run: Finds out. An :class:`~earthenware.errors.EarthenwareError` that it raises is a failure with its remedy.
        after: Name of a check that must not have failed, or this one is skipped; empty for none.
        seconds: When it is given up.
        writes: Whether it writes something that it removes again: then its end is waited for even after it was given
            up.
    """

    name: str
    run: Callable[[], Verdict]
    after: str = ""
    seconds: float = 10.0
    writes: bool = False


ok = partial(Verdict, "ok")
warning = partial(Verdict, "warning")
failed = partial(Verdict, "failed")
skipped = partial(Verdict, "skipped")


def examine(
    checks: Sequence[Check], on_finding: Callable[[Finding], None] | None = None, secrets: Collection[str] = ()
) -> list[Finding]:
    """Run checks, and return what they found in their order.

    Args:
        checks: What to find out; names are unique, and a check stands after the one it waits for.
        on_finding: Called with each finding as it comes.
        secrets: Texts that no finding may show.

    Raises:
        ValueError: A name stands twice, or before the check that it waits for.
        KeyboardInterrupt: The user gave up; what the checks had written is removed first.
    """
    names = [check.name for check in checks]
    for number, check in enumerate(checks):
        if check.name in names[:number] or (check.after and check.after not in names[:number]):
            raise ValueError(f"the check '{check.name}' stands twice, or before '{check.after}'")
    done: dict[str, Finding] = {}
    running: dict[str, tuple[Check, float]] = {}
    writers: list[threading.Thread] = []
    answers: queue.SimpleQueue[tuple[str, Verdict]] = queue.SimpleQueue()

    def clean(text: str) -> str:
        text = storage.redact_text(text)
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return text

    def settle(check: Check, verdict: Verdict, seconds: float) -> None:
        sentence, remedy = clean(verdict.sentence), clean(verdict.remedy)
        finding = done[check.name] = Finding(check.name, verdict.state, sentence, remedy, round(seconds, 2))
        if on_finding is not None:
            on_finding(finding)

    try:
        while len(done) < len(checks):
            for check in checks:
                if check.name in done or check.name in running or (check.after and check.after not in done):
                    continue
                if check.after and done[check.after].state in ("failed", "skipped"):
                    settle(check, skipped(f"Not looked at, as '{check.after}' was {done[check.after].state}."), 0.0)
                    continue
                thread = threading.Thread(target=_run, args=(check, answers), name=check.name, daemon=True)
                running[check.name] = (check, time.monotonic())
                thread.start()
                if check.writes:
                    writers.append(thread)
            if not running:
                continue
            soonest = min(began + check.seconds for check, began in running.values())
            with contextlib.suppress(queue.Empty):
                name, verdict = answers.get(timeout=max(0.0, soonest - time.monotonic()))
                if name in running:  # not given up before
                    check, began = running.pop(name)
                    settle(check, verdict, time.monotonic() - began)
            for name, (check, began) in list(running.items()):
                if time.monotonic() - began >= check.seconds:
                    del running[name]
                    remedy = "Check the address, the network and firewalls; a slow service gets longer with --timeout."
                    settle(check, failed(f"There was no answer within {check.seconds:g} s.", remedy), check.seconds)
    finally:
        until = time.monotonic() + _CLEAN_UP_SECONDS
        for thread in writers:
            thread.join(max(0.0, until - time.monotonic()))
    return [done[check.name] for check in checks]


def _run(check: Check, answers: queue.SimpleQueue[tuple[str, Verdict]]) -> None:
    try:
        verdict = check.run()
    except EarthenwareError as error:
        verdict = failed(error.message, error.remedy or "Correct what the sentence names.")
    except Exception as error:
        verdict = failed(
            f"The check itself failed with {type(error).__name__}: {first_line(error)}.",
            "Set EARTHENWARE_DEBUG=1, run it again, and please report it.",
        )
        if os.environ.get("EARTHENWARE_DEBUG"):
            import traceback

            traceback.print_exc()
    answers.put((check.name, verdict))


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within a block; the clients of stores read theirs there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
