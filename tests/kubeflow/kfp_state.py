"""What a Kubeflow Pipelines API holds, and the rules of its own that it applies to a request."""

from __future__ import annotations

import json
import uuid

from tests.kubeflow.kfp_pipelines import RefusedError, check_parameters, moment, parse_package, task_details

_EPOCH = "1970-01-01T00:00:00Z"
_KEYS = {"display_name", "name", "namespace", "created_at", "description"}


class State:
    """The handlers carry the names of kfp-server-api's methods."""

    def __init__(self):
        self.multi_user = False
        self.mine = {"team-a"}
        self.experiments: dict[str, dict] = {}
        self.pipelines: dict[str, dict] = {}
        self.versions: dict[str, dict] = {}
        self.runs: dict[str, dict] = {}
        self.recurring: dict[str, dict] = {}
        self.life: list[dict] = [{"state": "SUCCEEDED"}]
        """A run's life, a frame per look: state, error, more, steps {name: state, (state, pods), or a list of them}."""

    def _may(self, namespace: str, what: str) -> None:
        if not self.multi_user:
            if namespace:
                raise RefusedError(400, f"{what} cannot have a namespace in single-user mode")
            return
        if not namespace:
            raise RefusedError(400, f"{what} cannot have an empty namespace in multi-user mode")
        if namespace not in self.mine:
            raise RefusedError(403, f"User 'u' is not authorized with reason: (request: {what} in {namespace})")

    @staticmethod
    def _page(items, field, page_size="10", **query):
        if query.get("filter"):
            for predicate in json.loads(query["filter"])["predicates"]:
                if set(predicate) != {"operation", "key", "stringValue"} or predicate["key"] not in _KEYS:
                    raise RefusedError(400, f"Invalid filter {predicate}")
                if predicate["operation"] not in (1, "EQUALS"):
                    raise RefusedError(400, "only EQUALS here")
                items = [one for one in items if one.get(predicate["key"]) == predicate["stringValue"]]
        shown = items[: int(page_size or 10)]
        if not items:  # protobuf's JSON leaves out what is empty
            return {}
        return {field: shown, "total_size": len(items)} | ({"next_page_token": "n"} if len(shown) < len(items) else {})

    def healthz_service_get_healthz(self):
        return {"multi_user": True} if self.multi_user else {}

    def experiment_service_list_experiments(self, namespace="", **query):
        self._may(namespace, "An experiment")
        mine = [one for one in self.experiments.values() if not self.multi_user or one["namespace"] == namespace]
        return self._page(mine, "experiments", **query)

    def experiment_service_create_experiment(self, body):
        namespace = body.get("namespace", "")
        self._may(namespace, "An experiment")
        if any(one["display_name"] == body["display_name"] for one in self.experiments.values()):
            raise RefusedError(409, f"Experiment {body['display_name']} already exists")
        identity = str(uuid.uuid4())
        self.experiments[identity] = {
            "experiment_id": identity,
            "display_name": body["display_name"],
            "created_at": moment(0),
            "last_run_created_at": _EPOCH,
            "storage_state": "AVAILABLE",
            "namespace": namespace,
        }
        return self.experiments[identity]

    def pipeline_service_list_pipelines(self, namespace="", **query):
        if namespace:
            self._may(namespace, "A pipeline")
        mine = [one for one in self.pipelines.values() if not self.multi_user or one.get("namespace", "") == namespace]
        return self._page(mine, "pipelines", **query)

    def pipeline_service_create_pipeline(self, body):
        namespace = body.get("namespace", "")
        self._may(namespace or ("kubeflow" if self.multi_user else ""), "A pipeline")
        name = body.get("name") or body["display_name"]
        if any((one["name"], one.get("namespace", "")) == (name, namespace) for one in self.pipelines.values()):
            raise RefusedError(409, f"The pipeline {name} already exists")
        identity = str(uuid.uuid4())
        about = {key: body[key] for key in ("description", "namespace") if key in body}
        stored = {"pipeline_id": identity, "name": name, "display_name": name, "created_at": moment(0), **about}
        self.pipelines[identity] = stored
        return stored

    def pipeline_service_list_pipeline_versions(self, pipeline_id, **query):
        self._pipeline(pipeline_id)
        mine = [one for one in self.versions.values() if one["pipeline_id"] == pipeline_id]
        return self._page(mine, "pipeline_versions", **query)

    def pipeline_service_get_pipeline_version(self, pipeline_id, pipeline_version_id):
        if pipeline_version_id not in self.versions:
            raise RefusedError(404, f"PipelineVersion {pipeline_version_id} not found")
        return self.versions[pipeline_version_id]

    def upload_pipeline_version(self, file, name, pipelineid, **about):
        pipeline = self._pipeline(pipelineid)
        if self.multi_user and pipeline.get("namespace") not in self.mine:
            raise RefusedError(400, "Failed to create a pipeline version")
        if any((one["pipeline_id"], one["name"]) == (pipelineid, name) for one in self.versions.values()):
            raise RefusedError(409, "Failed to create a pipeline version")
        identity = str(uuid.uuid4())
        stored = {"pipeline_id": pipelineid, "pipeline_version_id": identity, "name": name, "display_name": name}
        self.versions[identity] = {**stored, "created_at": moment(0), "pipeline_spec": parse_package(file)}
        return self.versions[identity]

    def _pipeline(self, identity):
        if identity not in self.pipelines:
            raise RefusedError(404, f"Pipeline {identity} not found")
        return self.pipelines[identity]

    def _checked(self, body):
        """The pipeline version that a run or a recurring run names, after the rules of the server."""
        if not body.get("display_name"):
            raise RefusedError(400, "The run name is empty. Please specify a valid name")
        experiment = self.experiments.get(body.get("experiment_id", ""))
        if experiment is None:
            raise RefusedError(404, f"Experiment {body.get('experiment_id')} not found")
        self._may(experiment["namespace"], "A run")
        reference = body["pipeline_version_reference"]
        version = self.versions.get(reference["pipeline_version_id"])
        if version is None or version["pipeline_id"] != reference["pipeline_id"]:
            raise RefusedError(404, "PipelineVersion not found")
        check_parameters(version["pipeline_spec"], body.get("runtime_config", {}).get("parameters", {}))
        return version

    def run_service_create_run(self, body):
        self._checked(body)
        identity = str(uuid.uuid4())
        stored = {
            **body,
            "run_id": identity,
            "created_at": moment(0),
            "scheduled_at": moment(0),
            "finished_at": _EPOCH,
            "storage_state": "AVAILABLE",
            "state": "PENDING",
            "service_account": body.get("service_account", "pipeline-runner"),
        }
        self.runs[identity] = {"run": stored, "looks": 0}
        return stored

    def run_service_get_run(self, run_id):
        if run_id not in self.runs:
            raise RefusedError(404, f"Run {run_id} not found")
        entry = self.runs[run_id]
        frame = self.life[min(entry["looks"], len(self.life) - 1)]
        entry["looks"] += 1
        version = self.versions[entry["run"]["pipeline_version_reference"]["pipeline_version_id"]]
        details = task_details(run_id, version["pipeline_spec"], frame.get("steps", {}))
        answer = {**entry["run"], "state": frame["state"]}
        if details:
            answer["run_details"] = {"task_details": details}
        history = {"update_time": moment(1), "state": frame["state"]}
        if frame.get("error"):
            history["error"] = {"code": 13, "message": frame["error"]}
        return answer | {"state_history": [history]} | frame.get("more", {})

    def recurring_run_service_list_recurring_runs(self, experiment_id="", **query):
        mine = [one for one in self.recurring.values() if one["experiment_id"] == experiment_id]
        answer = self._page(mine, "recurring_runs", **query)
        # The one field that kfp-server-api names otherwise than the rest.
        return {("recurringRuns" if key == "recurring_runs" else key): value for key, value in answer.items()}

    def recurring_run_service_create_recurring_run(self, body):
        self._checked(body)
        trigger = body["trigger"]
        if ("cron_schedule" in trigger) == ("periodic_schedule" in trigger):
            raise RefusedError(400, "exactly one schedule")
        cron = trigger.get("cron_schedule", {}).get("cron", "@daily")
        if not cron.startswith("@") and len(cron.split()) not in (5, 6):
            raise RefusedError(400, f"Schedule cron is not a supported format. Error: Expected 5 to 6 fields: {cron}")
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RefusedError(400, "Max concurrency of a recurring run must be at least 1 and at most 10")
        identity = str(uuid.uuid4())
        enabled = body["mode"] == "ENABLE"
        stored = {**body, "recurring_run_id": identity, "status": "ENABLED" if enabled else "DISABLED"}
        stored |= {"created_at": moment(0), "max_concurrency": str(body["max_concurrency"])}
        if "periodic_schedule" in trigger:
            seconds = str(trigger["periodic_schedule"]["interval_second"])
            stored["trigger"] = {"periodic_schedule": {"interval_second": seconds}}
        stored.setdefault("service_account", "pipeline-runner")
        self.recurring[identity] = stored
        return stored

    def recurring_run_service_delete_recurring_run(self, recurring_run_id):
        if self.recurring.pop(recurring_run_id, None) is None:
            raise RefusedError(404, "Recurring run not found")
        return {}
