"""Sending a compiled pipeline to Kubeflow and starting it once, or again and again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from earthenware.compiling import CompiledPipeline
from earthenware.errors import EarthenwareError
from earthenware.kubeflow._client import KubeflowClient
from earthenware.kubeflow._errors import STARTING
from earthenware.kubeflow._recurring import Schedule

_EQUALS: Final = 1
"""Of the API's filters; the SDK sends the number too."""


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
        version: Name of the pipeline's version.
        uploaded: Whether the version was uploaded now; False when it was there already.
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


def submit(client: KubeflowClient, compiled: CompiledPipeline, order: Order) -> Submission:
    """Upload a pipeline's version unless it is there, and start it or schedule it.

    Everything but the run itself is found again when it is there: the pipeline and its version by their names (the
    version's holds a hash of its text), the experiment by its name. A recurring run replaces the one of the same name
    in the same experiment, unless nothing about it has changed.

    Raises:
        EarthenwareError: A ``KFP_...`` code for what the server refused or failed at.
    """
    pipeline_id = _pipeline(client, compiled)
    version_id, uploaded = _version(client, compiled, pipeline_id)
    experiment_id = _experiment(client, order.experiment)
    done = Submission(pipeline_id, compiled.version_name, version_id, uploaded, experiment_id, order.run_name)
    models = client.models
    asked = {
        "display_name": order.run_name,
        "experiment_id": experiment_id,
        "pipeline_version_reference": models.V2beta1PipelineVersionReference(
            pipeline_id=pipeline_id, pipeline_version_id=version_id
        ),
        "runtime_config": models.V2beta1RuntimeConfig(
            parameters=order.parameters, pipeline_root=order.pipeline_root or None
        ),
        "service_account": order.service_account or None,
    }
    if order.schedule is not None:
        identity, unchanged = _schedule(client, asked, order.schedule)
        link = client.link("recurringrun", identity)
        return replace(done, recurring_run_id=identity, unchanged=unchanged, url=link)
    run = client.to(STARTING).runs.run_service_create_run(run=models.V2beta1Run(**asked))
    return replace(done, run_id=run.run_id, url=client.link("runs", run.run_id))


def _named(name: str) -> dict[str, Any]:
    """Return the parameters of a list of what has this display name."""
    predicate = {"operation": _EQUALS, "key": "display_name", "stringValue": name}
    return {"filter": json.dumps({"predicates": [predicate]}), "page_size": 100}


def _find_or_make(
    client: KubeflowClient, finding: str, find: Callable[[], Any], making: str, make: Callable[[], Any]
) -> tuple[Any, bool]:
    """Return the first that is found, or what is made now, and whether it was made; errors name what is being done."""
    client.to(finding)
    if found := find():
        return found[0], False
    try:
        client.to(making)
        return make(), True
    except EarthenwareError as error:
        if error.code == "KFP_CONFLICT" and (found := find()):  # somebody else was quicker
            return found[0], False
        raise


def _pipeline(client: KubeflowClient, compiled: CompiledPipeline) -> str:
    service, namespace = client.pipelines, client.connection.namespace or None
    description = compiled.spec.pipeline_info.description or None
    # Not uploaded: that would also make a first version, named after the pipeline.
    new = client.models.V2beta1Pipeline(display_name=compiled.name, description=description, namespace=namespace)
    pipeline, _ = _find_or_make(
        client,
        "list pipelines",
        lambda: service.pipeline_service_list_pipelines(**_named(compiled.name), namespace=namespace).pipelines,
        f"create the pipeline '{compiled.name}'",
        lambda: service.pipeline_service_create_pipeline(pipeline=new),
    )
    return str(pipeline.pipeline_id)


def _version(client: KubeflowClient, compiled: CompiledPipeline, pipeline_id: str) -> tuple[str, bool]:
    service, name = client.pipelines, compiled.version_name
    with tempfile.TemporaryDirectory(prefix="earthenware-") as folder:
        file = Path(folder) / f"{compiled.name}.yaml"
        compiled.write(file)
        version, uploaded = _find_or_make(
            client,
            "list the pipeline's versions",
            lambda: service.pipeline_service_list_pipeline_versions(pipeline_id, **_named(name)).pipeline_versions,
            f"upload the version '{name}' of the pipeline",
            lambda: client.uploads.upload_pipeline_version(str(file), name=name, pipelineid=pipeline_id),
        )
    return str(version.pipeline_version_id), uploaded


def _experiment(client: KubeflowClient, name: str) -> str:
    service, namespace = client.experiments, client.connection.namespace or None
    new = client.models.V2beta1Experiment(display_name=name, namespace=namespace)
    experiment, _ = _find_or_make(
        client,
        f"use the experiment '{name}'",
        lambda: service.experiment_service_list_experiments(**_named(name), namespace=namespace).experiments,
        f"use the experiment '{name}'",
        lambda: service.experiment_service_create_experiment(experiment=new),
    )
    if experiment.storage_state == "ARCHIVED":
        remedy = "Restore it in Kubeflow's UI, or choose another with --experiment."
        raise EarthenwareError("KFP_REFUSED", f"The experiment '{name}' is archived.", remedy)
    return str(experiment.experiment_id)


def _schedule(client: KubeflowClient, asked: dict[str, Any], schedule: Schedule) -> tuple[str, bool]:
    """Return the id of the recurring run, and whether it was there as it is asked for."""
    models = client.models
    if schedule.cron:
        when = {"cron_schedule": models.V2beta1CronSchedule(cron=schedule.cron)}
    else:
        when = {"periodic_schedule": models.V2beta1PeriodicSchedule(interval_second=schedule.interval)}
    new = models.V2beta1RecurringRun(
        **asked,
        trigger=models.V2beta1Trigger(**when),
        mode=models.RecurringRunMode.ENABLE,
        max_concurrency=1,
        no_catchup=True,
    )
    service, name = client.recurring_runs, new.display_name
    client.to("list recurring runs")
    answer = service.recurring_run_service_list_recurring_runs(experiment_id=new.experiment_id, **_named(name))
    before = answer.recurring_runs or []
    same = next((one for one in before if _same(one, new, schedule)), None)
    client.to("schedule the run")
    made = same or service.recurring_run_service_create_recurring_run(recurring_run=new)
    client.to(f"delete the former recurring run '{name}'")
    for one in before:  # only now, so that a schedule that the server refuses leaves the old one as it was
        if one.recurring_run_id != made.recurring_run_id:
            service.recurring_run_service_delete_recurring_run(one.recurring_run_id)
    return str(made.recurring_run_id), same is not None


def _same(one: Any, new: Any, schedule: Schedule) -> bool:
    """Return whether a recurring run of the server is what is asked for, and enabled."""
    cron = one.trigger.cron_schedule if one.trigger else None
    periodic = one.trigger.periodic_schedule if one.trigger else None
    trigger = ((cron and cron.cron) or "", int((periodic and periodic.interval_second) or 0))
    reference, runtime = one.pipeline_version_reference, one.runtime_config
    return (
        (one.status == "ENABLED" or one.mode == "ENABLE")
        and trigger == (schedule.cron, schedule.interval)
        and reference is not None
        and reference.pipeline_version_id == new.pipeline_version_reference.pipeline_version_id
        and runtime is not None
        and runtime.parameters == new.runtime_config.parameters
        # The server fills in its own root and service account where none was asked for.
        and new.runtime_config.pipeline_root in (None, runtime.pipeline_root)
        and new.service_account in (None, one.service_account)
    )
