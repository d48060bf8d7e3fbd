"""The ``earthenware`` command: its groups, and how errors look."""

from __future__ import annotations

import io
import json
import os
import pkgutil
import select
import sys
from typing import Any, Final, TextIO

import click

from earthenware import __version__, storage
from earthenware.errors import EXIT_CODES, EarthenwareError, first_line, printable
from earthenware.graph import STEPS

_COMMANDS: Final = {
    # Before the steps, in the order in which a newcomer meets them.
    "init": ("earthenware.cli.init:init", "Write a commented spec to start from."),
    "sandbox": ("earthenware.cli.sandbox:sandbox", "Make a small synthetic Earth: a catalog and its images."),
    "run": ("earthenware.cli.run:run", "Run a whole pipeline on this machine."),
    "compile": ("earthenware.cli.compile:compile_", "Write a pipeline for a cluster, by a profile."),
    "submit": ("earthenware.cli.submit:submit", "Start a pipeline on a Kubeflow cluster and follow it."),
    "doctor": ("earthenware.cli.doctor:doctor", "Check this machine, the store and the cluster."),
    "status": ("earthenware.cli.store:status", "Show the steps below a root and what became of them."),
    "verify": ("earthenware.cli.verify:verify", "Compare everything below a root with its digests."),
    "clean": ("earthenware.cli.store:clean", "Remove outputs of steps below a root."),
    "search": ("earthenware.cli.search:search", "Find the chips most like a chip or a place."),
}

_HELP: Final = """Earth-observation foundation models, from open satellite catalogs to embeddings.

\b
A first run, offline, in a few minutes:
  earthenware sandbox work/sandbox
  earthenware init --catalog work/sandbox/items.json pretrain.yaml
  earthenware run pretrain --spec pretrain.yaml
  earthenware search work --lonlat LON LAT

Each step of the pipeline is also a command of its own. Steps resume: a command that was killed is simply run again,
and one that has nothing to do says so.

\b
Exit codes:
"""


class _Commands(click.Group):
    """A group that imports a command's module only when that command is called: --help stays quick."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            if _reader_is_gone():
                _silence(sys.stdout)
                return 0
            # click would take it for the reader's, whosever pipe it was, and say nothing.
            raise storage.system_error(error) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *STEPS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in STEPS:
            from earthenware.cli.stages import step_command

            return step_command(STEPS[cmd_name])
        command: click.Command | None = None
        if cmd_name in _COMMANDS:
            command = pkgutil.resolve_name(_COMMANDS[cmd_name][0])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])
        with formatter.section("Steps"):
            formatter.write_dl([(step.name, step.summary) for step in STEPS.values()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " 'earthenware --help' lists the commands."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    help=_HELP + "".join(f"  {code:>3}  {meaning}\n" for code, meaning in EXIT_CODES.items()),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="earthenware", message="%(prog)s %(version)s")
def cli() -> None:
    """Hold the commands."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with one of :data:`earthenware.errors.EXIT_CODES`."""
    # Nothing that runs here may call home.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal lacks ends nothing
    sys.exit(_call(arguments))


def _call(arguments: list[str] | None) -> int:
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        return show_error(storage.system_error(error))
    return code


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="earthenware", standalone_mode=False)
    except EarthenwareError as error:
        return show_error(error)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        remedy = f"'{context.command_path} --help' shows what there is." if context else ""
        return show_error(EarthenwareError("BAD_OPTION", error.format_message(), remedy))
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Run the same command again to resume.", err=True)
        return 130
    except SystemExit as error:
        if error.code == 1 and _reader_is_gone():  # click's own, of a --help that nobody reads to its end
            return 0
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:
        if os.environ.get("EARTHENWARE_DEBUG"):
            raise
        if isinstance(error, OSError):
            return show_error(storage.system_error(error))
        message = f"Unexpected {first_line(f'{type(error).__name__}: {error}')}."
        remedy = "Set EARTHENWARE_DEBUG=1 to see where, and please report it."
        return show_error(EarthenwareError("INTERNAL", message, remedy))
    return result if isinstance(result, int) else 0


def _reader_is_gone() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # errors are told whatever is asked for
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def _silence(stream: TextIO) -> None:
    """Let what is left to write to a stream go nowhere: Python tries again when it ends, and complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def show_error(error: EarthenwareError) -> int:
    """Write an error for a person, or as JSON where ``EARTHENWARE_ERRORS=json`` is set; return its exit code."""
    if os.environ.get("EARTHENWARE_ERRORS") == "json":
        lines = [json.dumps(error.to_json())]
    else:
        lines = [f"{click.style('Error', fg='red', bold=True)} [{error.code}] {printable(error.message)}"]
        lines += [f"  {printable(error.remedy)}"] if error.remedy else []
    try:
        click.echo("\n".join(lines), err=True)
    except OSError:  # nobody reads it: the exit code says it
        _silence(sys.stderr)
    return error.exit_code
