"""The ``earthenware`` command: its groups, and how errors look."""

from __future__ import annotations

import json
import os
import pkgutil
import sys
from typing import Any, Final

import click

from earthenware import __version__
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
    sys.exit(_call(arguments))


def _call(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="earthenware", standalone_mode=False)
    except EarthenwareError as error:
        show_error(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Run the same command again to resume.", err=True)
        return 130
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if os.environ.get("EARTHENWARE_DEBUG"):
            raise
        text = printable(first_line(f"{type(error).__name__}: {error}"))
        click.echo(f"Error: unexpected {text}\nSet EARTHENWARE_DEBUG=1 to see where, and please report it.", err=True)
        return 1
    return result if isinstance(result, int) else 0


def show_error(error: EarthenwareError) -> None:
    """Write an error for a person, or as JSON where ``EARTHENWARE_ERRORS=json`` is set."""
    if os.environ.get("EARTHENWARE_ERRORS") == "json":
        click.echo(json.dumps(error.to_json()), err=True)
        return
    click.echo(f"{click.style('Error', fg='red', bold=True)} [{error.code}] {printable(error.message)}", err=True)
    if error.remedy:
        click.echo(f"  {printable(error.remedy)}", err=True)
