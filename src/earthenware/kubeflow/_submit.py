"""Sending a compiled pipeline to Kubeflow and starting it once, or again and again."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from earthenware.compiling import CompiledPipeline
from earthenware.errors import EarthenwareError
from earthenware.kubeflow._client import KubeflowClient
from earthenware.kubeflow._errors import STARTING
from earthenware.kubeflow._recurring import Schedule

_EQUALS: Final = 1
_PAGE: Final = 100


@dataclass(frozen=True)
class Order:
    """What shall run.

    Attributes:
        parameters: Values of the pipeline's parameters.
        run_name: Name of the run, or of the recurring run.
        experiment: Name of the experiment; it is made when there is none.
        pipeline_root: Prefix for the pointer artifacts; empty for the server's own.
        service_account: Service account of the pods; empty for Kubeflow's own.
        schedule: When to run; None for once, now.
    """

    parameters: dict[str, Any] = field(repr=False)
    run_name: str
    experiment: str
    pipeline_root: str = ""
    service_account: str = ""
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Submission:
    """What became of an order.

    Attributes:
        pipeline_id: Id of the pipeline.
        version: Name of the pipeline's version.
        version_id: Its id.
        uploaded: Whether the version was uploaded now; False when it was there already.
        experiment_id: Id of the experiment.
        name: Name of the run, or of the recurring run.
        run_id: Id of the run; empty for a recurring run.
        recurring_run_id: Id of the recurring run; empty for a run.
        unchanged: Whether the same recurring run was there already.
        url: Page of the run in Kubeflow's UI.
    """

    pipeline_id: str
    version: str
    version_id: str
    uploaded: bool
    experiment_id: str
    name: str
    run_id: str = ""
    recurring_run_id: str = ""
    unchanged: bool = False
    url: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``--json`` prints."""
        return asdict(self)


def submit(client: KubeflowClient, compiled: CompiledPipeline, order: Order) -> Submission:
    """Upload a pipeline's version unless it is there, and start it or schedule it.

    Everything but the run itself is found again when it is there: the pipeline and its version by their names (the
    version's holds a hash of its text), the experiment by its name. A recurring run replaces the one of the same name
    in the same experiment, unless nothing about it has changed.

    Args:
        client: Open connection.
        compiled: The pipeline for this cluster.
        order: What shall run.

    Raises:
        EarthenwareError: A ``KFP_...`` code for what the server refused or failed at.
    """
    pipeline_id = _pipeline(client, compiled)
    version_id, uploaded = _version(client, compiled, pipeline_id)
    experiment_id = _experiment(client, order.experiment)
    known: dict[str, Any] = {
        "pipeline_id": pipeline_id,
        "version": compiled.version_name,
        "version_id": version_id,
        "uploaded": uploaded,
        "experiment_id": experiment_id,
        "name": order.run_name,
    }
    common: dict[str, Any] = {
        "experiment_id": experiment_id,
        "job_name": order.run_name,
        "params": order.parameters,
        "pipeline_id": pipeline_id,
        "version_id": version_id,
        "pipeline_root": order.pipeline_root or None,
        "service_account": order.service_account or None,
    }
    if order.schedule is not None:
        identity, unchanged = _schedule(client, order, common, order.schedule)
        link = client.link("recurringrun", identity)
        return Submission(**known, recurring_run_id=identity, unchanged=unchanged, url=link)
    with client.to(STARTING) as sdk:
        run = sdk.run_pipeline(**common)
    return Submission(**known, run_id=run.run_id, url=client.link("runs", run.run_id))


def _named(name: str) -> str:
    predicate = {"operation": _EQUALS, "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def _pipeline(client: KubeflowClient, compiled: CompiledPipeline) -> str:
    found = _find_pipeline(client, compiled.name)
    if found:
        return found
    try:
        with client.to(f"create the pipeline '{compiled.name}'") as sdk:
            # Not upload_pipeline(): that also makes a first version, named after the pipeline.
            pipeline = sdk.api_models.V2beta1Pipeline(
                display_name=compiled.name,
                description=compiled.spec.pipeline_info.description or None,
                namespace=client.connection.namespace or None,
            )
            return str(sdk.pipelines.pipeline_service_create_pipeline(pipeline=pipeline).pipeline_id)
    except EarthenwareError as error:  # somebody else was quicker
        found = _find_pipeline(client, compiled.name) if error.code == "KFP_CONFLICT" else ""
        if not found:
            raise
        return found


def _find_pipeline(client: KubeflowClient, name: str) -> str:
    with client.to("list pipelines") as sdk:
        answer = sdk.list_pipelines(page_size=_PAGE, filter=_named(name), namespace=client.connection.namespace or None)
    return next((str(one.pipeline_id) for one in answer.pipelines or []), "")


def _version(client: KubeflowClient, compiled: CompiledPipeline, pipeline_id: str) -> tuple[str, bool]:
    name = compiled.version_name
    found = _find_version(client, pipeline_id, name)
    if found:
        return found, False
    with tempfile.TemporaryDirectory(prefix="earthenware-") as folder:
        package = Path(folder) / f"{compiled.name}.yaml"
        package.write_text(compiled.text, encoding="utf-8")
        try:
            with client.to(f"upload the version '{name}' of the pipeline") as sdk:
                version = sdk.upload_pipeline_version(str(package), name, pipeline_id=pipeline_id)
        except EarthenwareError as error:
            found = _find_version(client, pipeline_id, name) if error.code == "KFP_CONFLICT" else ""
            if not found:
                raise
            return found, False
    return str(version.pipeline_version_id), True


def _find_version(client: KubeflowClient, pipeline_id: str, name: str) -> str:
    with client.to("list the pipeline's versions") as sdk:
        answer = sdk.list_pipeline_versions(pipeline_id, page_size=_PAGE, filter=_named(name))
    return next((str(one.pipeline_version_id) for one in answer.pipeline_versions or []), "")


def _experiment(client: KubeflowClient, name: str) -> str:
    with client.to(f"use the experiment '{name}'") as sdk:
        try:
            experiment = sdk.create_experiment(name, namespace=client.connection.namespace or None)
        except EarthenwareError as error:
            if error.code != "KFP_CONFLICT":
                raise
            experiment = sdk.create_experiment(name, namespace=client.connection.namespace or None)
    if experiment.storage_state == "ARCHIVED":
        message = f"The experiment '{name}' is archived."
        raise EarthenwareError(
            "KFP_REFUSED", message, "Restore it in Kubeflow's UI, or choose another with --experiment."
        )
    return str(experiment.experiment_id)


def _schedule(client: KubeflowClient, order: Order, common: dict[str, Any], schedule: Schedule) -> tuple[str, bool]:
    with client.to("list recurring runs") as sdk:
        answer = sdk.list_recurring_runs(
            page_size=_PAGE, experiment_id=common["experiment_id"], filter=_named(order.run_name)
        )
    before = list(answer.recurring_runs or [])
    same = next((one for one in before if _same(one, common, schedule)), None)
    with client.to("schedule the run") as sdk:
        made = same or sdk.create_recurring_run(
            **common,
            cron_expression=schedule.cron or None,
            interval_second=schedule.interval or None,
            max_concurrency=1,
            no_catchup=True,
            enabled=True,
        )
    for one in before:  # only now, so that a schedule that the server refuses leaves the old one as it was
        if one.recurring_run_id != made.recurring_run_id:
            with client.to(f"delete the former recurring run '{order.run_name}'") as sdk:
                sdk.delete_recurring_run(one.recurring_run_id)
    return str(made.recurring_run_id), same is not None


def _same(one: Any, common: dict[str, Any], schedule: Schedule) -> bool:
    """Return whether a recurring run of the server is what is asked for, and enabled."""
    cron = one.trigger.cron_schedule if one.trigger else None
    periodic = one.trigger.periodic_schedule if one.trigger else None
    trigger = ((cron and cron.cron) or "", int((periodic and periodic.interval_second) or 0))
    reference, runtime = one.pipeline_version_reference, one.runtime_config
    return (
        (one.status == "ENABLED" or one.mode == "ENABLE")
        and trigger == (schedule.cron, schedule.interval)
        and reference is not None
        and reference.pipeline_version_id == common["version_id"]
        and runtime is not None
        and runtime.parameters == common["params"]
        # The server fills in its own root and service account where none was asked for.
        and common["pipeline_root"] in (None, runtime.pipeline_root)
        and common["service_account"] in (None, one.service_account)
    )
