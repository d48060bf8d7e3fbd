"""The glue between a Kubeflow component and a step: pointers in, a step under guard, pointers out."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from earthenware import __version__, storage
from earthenware.errors import EarthenwareError
from earthenware.processes import step_process
from earthenware.steps._events import EventLog
from earthenware.steps._run import StepReport, already_reported, report_failure
from earthenware.steps._spec import bad_spec

POINTER_SCHEMA = 1


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
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"'{path}' is not a pointer to a step's output ({error})."
        raise EarthenwareError("BAD_POINTER", message, "Connect the artifact of the step before.") from None
    return uri


class ComponentTask:
    """One component's run: where its output goes and what it hands on.

    Artifacts between components are pointers, a small JSON file each, never the data: the Kubeflow launcher
    downloads whole artifacts before a step starts.
    """

    def __init__(self, step: str, root: str) -> None:
        self.output = storage.join(root, step, "{fingerprint}")
        self.published = False

    def uri(self, artifact: Any) -> str:
        """Return the URI that an input artifact points to."""
        return read_pointer(artifact.path)

    def publish(
        self,
        report: StepReport,
        artifact: Any,
        *,
        metrics: Any = None,
        page: Any = None,
        summary: Any = None,
    ) -> None:
        """Write the output artifacts of a component.

        Args:
            report: What the step returned.
            artifact: Output artifact that becomes the pointer.
            metrics: Output[Metrics] to fill with the step's metrics and counts.
            page: Output[HTML] that gets the step's ``page.html`` or ``report.html``.
            summary: Output[Markdown] that gets the step's ``summary.md``.
        """
        self.published = True
        manifest = report.manifest
        pointer = {
            "schema_version": POINTER_SCHEMA,
            "uri": report.output,
            "step": report.step,
            "digest": manifest.digest,
            "counts": manifest.counts,
        }
        _write(artifact, json.dumps(pointer, indent=2, sort_keys=True).encode())
        # Kubeflow turns numbers in metadata into floats: text stays what it is.
        artifact.metadata.update({"uri": report.output, "step": report.step, "digest": manifest.digest})
        artifact.metadata.update({key: str(value) for key, value in manifest.counts.items()})
        if metrics is not None:
            for key, value in {**manifest.counts, **manifest.metrics}.items():
                metrics.log_metric(key, float(value))
        for target, names in ((page, ("report.html", "page.html")), (summary, ("summary.md",))):
            found = [name for name in names if name in manifest.artifacts]
            if target is not None:
                _write(target, storage.read_bytes(storage.join(report.output, found[0])) if found else b"")


def _write(artifact: Any, data: bytes) -> None:
    path = Path(artifact.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@contextlib.contextmanager
def component(step: str, root: str, package_version: str) -> Iterator[ComponentTask]:
    """Run the body of a Kubeflow component.

    Args:
        step: Name of the step; its output goes to ``<root>/<step>/<fingerprint>``.
        root: Prefix in the object store (or folder) that all steps of a run share.
        package_version: The version of this package that compiled the pipeline.

    Raises:
        EarthenwareError: ``VERSION_MISMATCH`` when the pipeline was compiled by another version, ``BAD_SPEC`` when a
            parameter is out of its range, and what the step raises.
    """
    events = EventLog(step)
    began = time.monotonic()
    try:
        if package_version != __version__:
            message = f"This pipeline was compiled by earthenware {package_version}, but {__version__} is installed."
            remedy = "Use the pipeline of the installed version, or its image."
            raise EarthenwareError("VERSION_MISMATCH", message, remedy)
        task = ComponentTask(step, root)
        with step_process():
            yield task
    except ValidationError as error:  # a value that the run form lets pass, and the spec does not
        if already_reported(error):
            raise
        refused = bad_spec(error, step)
        report_failure(events, step, refused)
        raise refused from None
    except BaseException as error:
        if not already_reported(error):
            report_failure(events, step, error)
        raise
    if not task.published:  # a step without an output of its own, such as a gate, passes in silence
        events.emit("finished", seconds=time.monotonic() - began, counts={}, output="")
