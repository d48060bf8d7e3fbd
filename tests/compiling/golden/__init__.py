"""What a profile makes of the pipeline 'pretrain', kept as files to be read in review.

Only what the profile decides is kept: not the components' source, and ``{version}`` for the package's version, so that
a release changes no file here. ``python -m tests.compiling.golden`` writes them anew; read the difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from earthenware import __version__
from earthenware.compiling import CompiledPipeline, compile_pipeline, load_profile, shipped_profiles
from earthenware.launch import SETTINGS_VARIABLE

FOLDER = Path(__file__).resolve().parent


def golden_text(compiled: CompiledPipeline) -> str:
    documents = list(yaml.load_all(compiled.text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    kept: dict[str, Any] = {
        "executors": {
            label: _container(executor["container"])
            for label, executor in documents[0]["deploymentSpec"]["executors"].items()
        },
        "retries": dict(sorted(_retries(documents[0]))),
        "platform": documents[1] if documents[1:] else "nothing",
    }
    text = yaml.safe_dump(kept, width=118, sort_keys=True)
    return "# Written by: python -m tests.compiling.golden\n" + text.replace(f":{__version__}", ":{version}")


def _container(container: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in container.items() if key not in {"args", "command"}}
    for variable in kept.get("env", []):
        if variable["name"] == SETTINGS_VARIABLE:
            variable["value"] = {"JSON of": json.loads(variable["value"])}
    return kept


def _retries(document: dict[str, Any]) -> list[tuple[str, Any]]:
    dags = [one["dag"] for one in (document["root"], *document["components"].values()) if "dag" in one]
    tasks = [(name, task) for dag in dags for name, task in dag["tasks"].items() if "dag" not in task]
    return [(name, task["retryPolicy"]) for name, task in tasks if "retryPolicy" in task]


def write() -> list[Path]:
    files = []
    for name in shipped_profiles():
        file = FOLDER / f"{name}.yaml"
        file.write_text(golden_text(compile_pipeline("pretrain", load_profile(name))), encoding="utf-8")
        files.append(file)
    return files
