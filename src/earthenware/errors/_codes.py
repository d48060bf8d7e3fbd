"""Every code that an error may have: whose matter it is, and what it means; ``codes.toml`` holds them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple


class Kind(NamedTuple):
    """What holds for all errors of one kind.

    Attributes:
        exit_code: What a process that ends with one returns.
        meaning: One sentence.
    """

    exit_code: int
    meaning: str


class Code(NamedTuple):
    """An error's code.

    Attributes:
        kind: Whose matter it is; the exit code follows from it.
        meaning: One sentence.
    """

    kind: str
    meaning: str


_TABLE: Final = tomllib.loads(Path(__file__).with_name("codes.toml").read_text(encoding="utf-8"))

EXIT_CODES: Final[Mapping[int, str]] = {int(code): meaning for code, meaning in _TABLE["exit_codes"].items()}
"""What the command's exit code says."""

KINDS: Final[Mapping[str, Kind]] = {
    name: Kind(kind["exit_code"], kind["meaning"]) for name, kind in _TABLE["kinds"].items()
}

CODES: Final[Mapping[str, Code]] = {
    code: Code(name, meaning) for name, kind in _TABLE["kinds"].items() for code, meaning in kind["codes"].items()
}
