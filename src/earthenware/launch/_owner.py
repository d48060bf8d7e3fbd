"""The pod that launches a job, and the pipeline run that it is part of."""

from __future__ import annotations

import os
from typing import Any, Final

from earthenware.launch._api import Cluster, RefusedError
from earthenware.launch._objects import Owner

_RUN_LABELS: Final = ("pipeline/runid", "workflows.argoproj.io/workflow")
"""Labels by which Kubeflow and Argo mark the pods of one run."""


def owner_and_run(cluster: Cluster) -> tuple[Owner | None, str]:
    """Return this pod and the id of the pipeline run that it belongs to; None and empty text outside of a cluster.

    Raises:
        EarthenwareError: ``CLUSTER_*``.
    """
    name = os.environ.get("KFP_POD_NAME") or (os.environ.get("HOSTNAME", "") if cluster.in_pod else "")
    if not name:
        return None, ""
    namespace = cluster.namespace

    def get() -> Any:
        return cluster.core.read_namespaced_pod(name, namespace, _request_timeout=30)

    try:
        pod = cluster.call("get", "pods", namespace, get, expected=(404,))
    except RefusedError:
        return None, ""
    labels = pod.metadata.labels or {}
    run = next((labels[key] for key in _RUN_LABELS if labels.get(key)), pod.metadata.uid)
    return Owner(name, pod.metadata.uid, namespace), run
