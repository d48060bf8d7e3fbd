"""Running work on Ray: a local one, or a KubeRay RayJob on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.launch._api import Cluster, Pace
    from earthenware.launch._command import as_entrypoint, step_command
    from earthenware.launch._local import existing_ray, local_ray
    from earthenware.launch._objects import Launch, Owner, job_name, passed_on, ray_job
    from earthenware.launch._permissions import PERMISSIONS
    from earthenware.launch._secrets import looks_secret
    from earthenware.launch._settings import (
        SETTINGS_VARIABLE,
        DnsName,
        Quantity,
        RayJobSettings,
        Resources,
        SecretEnv,
        Toleration,
        ray_job_settings,
    )
    from earthenware.launch._step import run_as_ray_job
    from earthenware.launch._storage import ray_storage
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "PERMISSIONS",
    "SETTINGS_VARIABLE",
    "Cluster",
    "DnsName",
    "Launch",
    "Owner",
    "Pace",
    "Quantity",
    "RayJobSettings",
    "Resources",
    "SecretEnv",
    "Toleration",
    "as_entrypoint",
    "existing_ray",
    "job_name",
    "local_ray",
    "looks_secret",
    "passed_on",
    "ray_job",
    "ray_job_settings",
    "ray_storage",
    "run_as_ray_job",
    "step_command",
]
