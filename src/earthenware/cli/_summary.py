"""What a person sees when a pipeline has ended: a short table, the report, and what to try next."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import describe_seconds, read_manifest


def print_summary(outputs: dict[str, str], seconds: dict[str, float], root: str, stream: IO[str]) -> None:
    """Print the report's summary table, the seconds of this run's steps, and three commands to try.

    Args:
        outputs: Output URI of each task of this run.
        seconds: Wall-clock seconds of each task of this run; near zero where there was nothing to do.
        root: Root of the run, as the user would write it.
        stream: Where to.
    """
    console = Console(file=stream, highlight=False)
    report = outputs.get("report", "")
    summary = _read(storage.join(report, "summary.json")) if report else {}
    table = Table(show_header=False, box=None, padding=(0, 2))
    for row in summary.get("rows", []):
        table.add_row(Text(str(row["name"])), Text(str(row["value"])))
    steps = ", ".join(f"{task} {describe_seconds(value)}" for task, value in seconds.items())
    table.add_row("seconds per step", Text(steps))
    console.print()
    console.print(table)
    if report:
        console.print(f"\nReport: {storage.join(report, 'report.html')}", soft_wrap=True)
    console.print("\nNext:")
    for command in _next(outputs, root):
        console.print(f"  {command}", soft_wrap=True)


def _read(uri: str) -> dict[str, Any]:
    try:
        value = storage.read_json(uri)
    except (FileNotFoundError, EarthenwareError):
        return {}
    return value if isinstance(value, dict) else {}


def _next(outputs: dict[str, str], root: str) -> list[str]:
    commands = [f"earthenware search {root} --lonlat LON LAT   # more places like this one"]
    if outputs.get("embed"):
        try:
            table = storage.read_table(storage.join(outputs["embed"], "embeddings.parquet"), ["lon", "lat"])
            lon, lat = table["lon"][0].as_py(), table["lat"][0].as_py()
            commands = [f"earthenware search {root} --lonlat {lon:.5f} {lat:.5f}   # more places like this one"]
        except (FileNotFoundError, EarthenwareError):
            pass
    details: dict[str, Any] = {}
    if outputs.get("train"):
        details = read_manifest(outputs["train"]).details.get("model", {})
    if details.get("mlflow_tracking_uri"):
        commands.append(
            f"mlflow ui --backend-store-uri {details['mlflow_tracking_uri']}   # losses, metrics, the model"
        )
    commands.append(f"earthenware status {root}   # every step and its output")
    return commands
