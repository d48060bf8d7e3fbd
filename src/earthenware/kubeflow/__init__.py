"""The client of a Kubeflow cluster: pipelines sent there, scheduled and followed."""

from __future__ import annotations

from earthenware.kubeflow._client import KubeflowClient, connect
from earthenware.kubeflow._connection import Connection, mounted_token
from earthenware.kubeflow._recurring import Schedule, parse_cron, parse_interval
from earthenware.kubeflow._steps import StepOutcome
from earthenware.kubeflow._submit import Order, Submission, submit
from earthenware.kubeflow._watch import RunOutcome, watch

__all__ = [
    "Connection",
    "KubeflowClient",
    "Order",
    "RunOutcome",
    "Schedule",
    "StepOutcome",
    "Submission",
    "connect",
    "mounted_token",
    "parse_cron",
    "parse_interval",
    "submit",
    "watch",
]
