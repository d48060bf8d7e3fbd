"""Pipelines on Kubeflow: compiled by a profile, sent to a cluster, followed."""

from __future__ import annotations

from earthenware.kubeflow._client import KubeflowClient, connect
from earthenware.kubeflow._compile import CompiledPipeline, compile_pipeline
from earthenware.kubeflow._connection import Connection, mounted_token
from earthenware.kubeflow._load import load_profile, profile_file, shipped_profiles
from earthenware.kubeflow._manifests import manifests
from earthenware.kubeflow._packages import compiled_pipeline
from earthenware.kubeflow._profile import Profile
from earthenware.kubeflow._progress import StepOutcome
from earthenware.kubeflow._recurring import Schedule, parse_cron, parse_interval
from earthenware.kubeflow._show import show_profile
from earthenware.kubeflow._steps import RaySection, Retries, Security, StepSettings
from earthenware.kubeflow._submit import Order, Submission, submit
from earthenware.kubeflow._watch import RunOutcome, watch

__all__ = [
    "CompiledPipeline",
    "Connection",
    "KubeflowClient",
    "Order",
    "Profile",
    "RaySection",
    "Retries",
    "RunOutcome",
    "Schedule",
    "Security",
    "StepOutcome",
    "StepSettings",
    "Submission",
    "compile_pipeline",
    "compiled_pipeline",
    "connect",
    "load_profile",
    "manifests",
    "mounted_token",
    "parse_cron",
    "parse_interval",
    "profile_file",
    "shipped_profiles",
    "show_profile",
    "submit",
    "watch",
]
