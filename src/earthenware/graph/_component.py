"""The glue between a Kubeflow component and a step: pointers in, a step under guard, pointers out."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from earthenware import __version__, storage
from earthenware.errors import EarthenwareError
from earthenware.graph._declare import Step
from earthenware.graph._plan import shards
from earthenware.graph._spec import read_spec, shard_count, step_spec
from earthenware.graph._steps import STEPS
from earthenware.processes import step_process
from earthenware.steps import EventLog, StepReport, already_reported, read_artifact, report_failure

POINTER_SCHEMA: Final = 1
_FILES: Final = {"HTML": ("report.html", "page.html"), "Markdown": ("summary.md",)}
"""Which file of a step's output is shown as an artifact of this type: the first that there is."""


def run_component(
    name: str, *, root: str, package_version: str, spec: str = "", shard: str = "", **artifacts: Any
) -> list[dict[str, str]]:
    """Run the step of a Kubeflow component.

    Artifacts between components are pointers, a small JSON file each, never the data: the Kubeflow launcher downloads
    whole artifacts before a step starts.

    Args:
        name: Name of the step; its output goes to ``<root>/<step>/<fingerprint>``.
        root: Prefix in the object store (or folder) that all steps of a run share.
        package_version: The version of this package that compiled the pipeline.
        spec: Spec of the whole pipeline or the fields of the step alone, as YAML or as the URI of a file of it.
        shard: Which share of its input to work on; empty for what the spec says.
        artifacts: Kubeflow's artifacts by the names of the step's inputs and outputs.

    Returns:
        ``shard``, ``root`` and ``spec`` for each share into which the output can be divided; empty unless the step is
        one whose output is divided. A loop over shares has root and spec from here too: ``kfp.local`` puts the item
        of a loop in the place of every other task's parameter.

    Raises:
        EarthenwareError: ``VERSION_MISMATCH`` when the pipeline was compiled by another version, ``BAD_SPEC`` when a
            field is out of its range, ``BAD_POINTER`` when an input is no pointer, and what the step raises.
    """
    step = STEPS[name]
    with reporting(name, package_version) as events:
        began = time.monotonic()
        values = read_spec(spec)
        own = step_spec(step, values, [f"{step.shard}={shard}"] if shard else [], name)
        inputs: dict[str, str | list[str]] = {}
        for item in step.inputs:
            given = artifacts.get(item.name)
            if given is not None:
                inputs[item.name] = [read_pointer(one.path) for one in given] if item.many else read_pointer(given.path)
        report = step.run(own, inputs, storage.join(root, name, "{fingerprint}"))
        if report is None:  # a step without an output of its own, such as a gate, passes in silence
            events.emit("finished", seconds=time.monotonic() - began, counts={}, output="")
            return []
        _publish(step, report, artifacts)
        if not step.divides:
            return []
        # A share of nothing would fail: there are never more than there is to divide.
        count = max(1, min(shard_count(values), report.manifest.counts[step.divides]))
        return [{"shard": share, "root": root, "spec": spec} for share in shards(count)]


@contextlib.contextmanager
def reporting(step: str, package_version: str) -> Iterator[EventLog]:
    """Guard the process of a component, refuse a pipeline of another version, and report what fails once."""
    events = EventLog(step)
    try:
        if package_version != __version__:
            message = f"This pipeline was compiled by earthenware {package_version}, but {__version__} is installed."
            remedy = "Use the pipeline of the installed version, or its image."
            raise EarthenwareError("VERSION_MISMATCH", message, remedy)
        with step_process():
            yield events
    except BaseException as error:
        if not already_reported(error):
            report_failure(events, step, error)
        raise


def read_pointer(path: str) -> str:
    """Return the URI that a pointer artifact names.

    Raises:
        EarthenwareError: ``BAD_POINTER`` when the file is missing or is not a pointer.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        uri = values["uri"]
        if values["schema_version"] > POINTER_SCHEMA or not isinstance(uri, str):
            raise ValueError(f"schema version {values['schema_version']}")
        uri.encode()  # JSON can spell characters that no text has
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"'{path}' is not a pointer to a step's output ({error})."
        raise EarthenwareError("BAD_POINTER", message, "Connect the artifact of the step before.") from None
    return uri


def _publish(step: Step, report: StepReport, artifacts: dict[str, Any]) -> None:
    """Write the output artifacts of a component: the pointer, and what Kubeflow shows of the step."""
    manifest = report.manifest
    known = {"uri": report.output, "step": report.step, "digest": manifest.digest}
    pointer = {"schema_version": POINTER_SCHEMA, **known, "counts": manifest.counts}
    for item in step.outputs:
        target = artifacts[item.name]
        if item.type == "Metrics":
            for key, value in {**manifest.counts, **manifest.metrics}.items():
                target.log_metric(key, float(value))
        elif item.type in _FILES:
            found = [name for name in _FILES[item.type] if name in manifest.artifacts]
            write_artifact(target, read_artifact(report.output, found[0]) if found else b"")
        else:
            write_artifact(target, json.dumps(pointer, indent=2, sort_keys=True).encode())
            # Kubeflow turns numbers in metadata into floats: text stays what it is.
            target.metadata.update({**known, **{key: str(value) for key, value in manifest.counts.items()}})


def write_artifact(artifact: Any, data: bytes) -> None:
    """Write the file of an output artifact."""
    path = Path(artifact.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
