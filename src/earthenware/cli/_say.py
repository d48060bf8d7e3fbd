"""What a command says while it works or when it has worked."""

from __future__ import annotations

import contextlib

import click

from earthenware.errors import printable


def say(text: str, *, err: bool = False) -> None:
    """Show one line, of which others may have a part, as a terminal shows and does not obey it.

    A reader that has gone away ends no work, and changes no exit code.
    """
    with contextlib.suppress(BrokenPipeError):
        click.echo(printable(text), err=err)
