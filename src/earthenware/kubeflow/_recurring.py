"""When a recurring run starts: cron expressions and intervals, checked before Kubeflow sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from earthenware.errors import EarthenwareError

_FIELDS: Final = (
    ("second", 0, 59, ""),
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of the month", 1, 31, ""),
    ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("day of the week", 0, 6, "sun mon tue wed thu fri sat"),
)
"""Of each field of a cron expression its name, its least and greatest value, and the words for its values."""
_NAMED: Final = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_REMEDY: Final = (
    "Write five fields as in a crontab (minute hour day month weekday), such as '0 6 * * mon', "
    "or six with the second first."
)


@dataclass(frozen=True)
class Schedule:
    """When a recurring run starts: exactly one of the two is set.

    Attributes:
        cron: Cron expression of six fields, the second first, in the time zone of Kubeflow's controller (UTC).
        interval: Time between two starts (seconds).
    """

    cron: str = ""
    interval: int = 0

    def __str__(self) -> str:
        return f"cron '{self.cron}'" if self.cron else f"every {self.interval} s"


def parse_cron(text: str) -> str:
    """Return a cron expression as Kubeflow reads it: six fields, or a name such as ``@daily``.

    Kubeflow reads five fields as *second minute hour day month*, so that a crontab's five, which are meant here,
    would silently run at other times: they get the second 0.

    Raises:
        EarthenwareError: ``BAD_OPTION`` that names the wrong field.
    """
    words = text.split()
    if len(words) == 1 and words[0].lower() in _NAMED:
        return words[0].lower()
    if len(words) not in (5, 6):
        raise _wrong(text, f"it has {len(words)} field{'' if len(words) == 1 else 's'}")
    if len(words) == 5:
        words = ["0", *words]
    for word, (name, low, high, names) in zip(words, _FIELDS, strict=True):
        for part in word.lower().split(","):
            reason = _wrong_part(part, low, high, names.split())
            if reason:
                raise _wrong(text, f"the {name} '{word}' {reason}")
    return " ".join(words)


def parse_interval(text: str) -> int:
    """Return the seconds of an interval such as ``90m``, ``6h``, ``1d`` or ``3600``.

    Raises:
        EarthenwareError: ``BAD_OPTION``, also for less than a minute.
    """
    match = re.fullmatch(r"([0-9]{1,9})\s*([smhdw]?)", text.strip().lower())
    seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if match is None or not 60 <= seconds < 2**31:
        message = f"The interval '{text}' is not a time of at least a minute."
        raise EarthenwareError("BAD_OPTION", message, "Write a number and s, m, h, d or w, such as 12h.")
    return seconds


def _wrong_part(part: str, low: int, high: int, names: list[str]) -> str:
    span, slash, step = part.partition("/")
    if slash and (not re.fullmatch(r"[0-9]{1,4}", step) or int(step) == 0):
        return "has a step that is not a positive number"
    if span in ("*", "?"):
        return ""
    ends = span.split("-")
    if len(ends) > 2 or not all(end in names or re.fullmatch(r"[0-9]{1,4}", end) for end in ends):
        return "is not a number, a range, a list or *"
    values = [names.index(end) + low if end in names else int(end) for end in ends]
    if not all(low <= value <= high for value in values):
        return f"is not within {low} to {high}"
    return "is a range that ends before it starts" if values[0] > values[-1] else ""


def _wrong(text: str, reason: str) -> EarthenwareError:
    return EarthenwareError("BAD_OPTION", f"The cron expression '{text}' is wrong: {reason}.", _REMEDY)
