"""What Kubernetes and KubeRay ask of a RayJob: its schema, the rules for names, and what the operator checks."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

_SCHEMA = Path(__file__).with_name("rayjob.v1.schema.json")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_LABEL_NAME = re.compile(r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_DNS_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")


def _strict(node: Any) -> Any:
    """Return a schema that refuses unknown fields, as ``kubectl --validate=strict`` does."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _strict(value) for key, value in node.items()}
    known = isinstance(node.get("properties"), dict) and node.get("type") == "object"
    if known and "additionalProperties" not in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made


@functools.cache
def validator() -> jsonschema.Draft7Validator:
    """The strict validator of the RayJob definition of KubeRay 1.7.0."""
    return jsonschema.Draft7Validator(_strict(json.loads(_SCHEMA.read_text())["openAPIV3Schema"]))


def schema_errors(job: dict[str, Any]) -> list[str]:
    """Return what the definition's schema has against an object."""
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator().iter_errors(job)]


def pod_templates(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pod templates of a job by their role."""
    cluster = job["spec"]["rayClusterSpec"]
    return {
        "submitter": job["spec"]["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        **{group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]},
    }


def pod_errors(job: dict[str, Any], version: str) -> list[str]:
    """Return what one version of Kubernetes has against the pods."""
    errors = []
    for role, template in pod_templates(job).items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": role, **template["metadata"]}}
        try:
            kubernetes_validate.validate({**pod, "spec": template["spec"]}, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            errors.append(f"{role}: {error.message}")
    return errors


def name_errors(job: dict[str, Any]) -> list[str]:
    """Return what Kubernetes has against names and labels."""
    errors = []
    for meta in [job["metadata"], *(template["metadata"] for template in pod_templates(job).values())]:
        errors += [f"label {key}" for key in meta.get("labels", {}) if not _LABEL_NAME.match(key)]
        errors += [
            f"value {value!r} of {key}"
            for key, value in meta.get("labels", {}).items()
            if len(value) > 63 or not _LABEL_VALUE.match(value)
        ]
        errors += [f"annotation {key}" for key in meta.get("annotations", {}) if not _LABEL_NAME.match(key)]
    for template in pod_templates(job).values():
        names = [item["name"] for item in template["spec"]["containers"][0]["env"]]
        errors += [f"variable {name} is given twice" for name in {*names} if names.count(name) > 1]
        mounts = {item["name"] for item in template["spec"]["containers"][0]["volumeMounts"]}
        if not mounts <= {item["name"] for item in template["spec"]["volumes"]}:
            errors.append("a mount without its volume")
    return errors


def operator_errors(job: dict[str, Any]) -> list[str]:
    """Return what KubeRay 1.7.0 has against a job when it first looks at it (``validation.go``)."""
    name, spec = job["metadata"]["name"], job["spec"]
    errors = []
    if len(name) > 47 or not _DNS_1035.match(name):
        errors.append("RayJob name should be a valid DNS1035 label of no more than 47 characters")
    shutdown, strategy = spec.get("shutdownAfterJobFinishes", False), spec.get("deletionStrategy")
    if not shutdown and spec.get("ttlSecondsAfterFinished", 0) > 0:
        errors.append("a RayJob with shutdownAfterJobFinishes set to false cannot have TTLSecondsAfterFinished")
    if spec.get("suspend") and not shutdown:
        errors.append("a RayJob with shutdownAfterJobFinishes set to false is not allowed to be suspended")
    if strategy is not None:
        if shutdown:
            errors.append("shutdownAfterJobFinishes and deletionRules are mutually exclusive")
        seen = [json.dumps([rule["policy"], *sorted(rule["condition"])]) for rule in strategy["deletionRules"]]
        errors += ["duplicate rule"] if len({*seen}) < len(seen) else []
        for rule in strategy["deletionRules"]:
            if ("jobStatus" in rule["condition"]) == ("jobDeploymentStatus" in rule["condition"]):
                errors.append("a deletion condition needs one of jobStatus and jobDeploymentStatus")
    for key in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(key, 1) <= 0:
            errors.append(f"{key} must be a positive integer")
    return errors
