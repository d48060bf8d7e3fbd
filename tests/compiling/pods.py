"""The pod that Kubeflow's driver makes of an executor, as far as a profile decides it."""

from __future__ import annotations

from typing import Any


def pod(name: str, executor: dict[str, Any], platform: dict[str, Any]) -> dict[str, Any]:
    """Return a Pod from an executor's container and its platform configuration, both in protobuf's JSON."""
    resources = _resources(executor.get("resources", {}))
    security = dict(platform["securityContext"])
    security |= {key: int(security[key]) for key in ("runAsUser", "runAsGroup")}  # protobuf's JSON writes them as text
    mounts = platform.get("emptyDirMounts", [])
    env: list[dict[str, Any]] = list(executor.get("env", []))
    for secret in platform.get("secretAsEnv", []):
        for pair in secret["keyToEnv"]:
            source = {"name": secret["secretName"], "key": pair["secretKey"], "optional": secret["optional"]}
            env.append({"name": pair["envVar"], "valueFrom": {"secretKeyRef": source}})
    container = {
        "name": "main",
        "image": executor["image"],
        "imagePullPolicy": platform.get("imagePullPolicy"),
        "command": executor["command"],
        "args": executor["args"],
        "env": env,
        "resources": {"requests": resources, "limits": resources},
        "securityContext": security,
        "volumeMounts": [{"name": one["volumeName"], "mountPath": one["mountPath"]} for one in mounts],
    }
    spec = {
        "activeDeadlineSeconds": int(platform["activeDeadlineSeconds"]),
        "containers": [container],
        "imagePullSecrets": [{"name": one["secretName"]} for one in platform.get("imagePullSecret", [])],
        "nodeSelector": platform.get("nodeSelector", {}).get("labels", {}),
        "tolerations": platform.get("tolerations", []),
        "volumes": [
            {"name": one["volumeName"], "emptyDir": {key: one[key] for key in ("medium", "sizeLimit") if key in one}}
            for one in mounts
        ],
    }
    metadata = {"name": name, **platform.get("podMetadata", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _resources(values: dict[str, Any]) -> dict[str, str]:
    found = {"cpu": values["resourceCpuLimit"], "memory": values["resourceMemoryLimit"]}
    if "accelerator" in values:
        found[values["accelerator"]["resourceType"]] = values["accelerator"]["resourceCount"]
    return found
