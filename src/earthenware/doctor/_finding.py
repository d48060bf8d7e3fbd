"""What a check says: a state, one sentence, and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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


def ok(sentence: str) -> Verdict:
    """Return the verdict that all is well."""
    return Verdict("ok", sentence)


def warning(sentence: str, remedy: str) -> Verdict:
    """Return the verdict that something may become a trouble."""
    return Verdict("warning", sentence, remedy)


def failed(sentence: str, remedy: str) -> Verdict:
    """Return the verdict that something does not work."""
    return Verdict("failed", sentence, remedy)


def skipped(sentence: str, remedy: str = "") -> Verdict:
    """Return the verdict that something could not, or need not, be found out."""
    return Verdict("skipped", sentence, remedy)
