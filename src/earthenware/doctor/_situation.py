"""What a run would use: a profile, a root, a catalog, a tracking store, a cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass

from earthenware.compiling import Profile, RaySection, StepSettings
from earthenware.graph import find_pipeline
from earthenware.kubeflow import Connection


@dataclass(frozen=True)
class Situation:
    """What a run would use, and so what is looked at.

    Attributes:
        profile: Where the steps would run.
        root: Prefix below which they would write; empty where it is not known.
        catalog: STAC API or file of items; empty where it is not known.
        tracking_uri: MLflow store as the spec says; empty for the default.
        connection: Kubeflow Pipelines; None where it is not known.
        namespace: Namespace of the runs; empty for that of the kubeconfig.
        seconds: Longest time of a check.
        pipeline: What would be run.
    """

    profile: Profile
    root: str = ""
    catalog: str = ""
    tracking_uri: str = ""
    connection: Connection | None = None
    namespace: str = ""
    seconds: float = 10.0
    pipeline: str = "pretrain"

    @property
    def on_cluster(self) -> bool:
        """Whether the profile says anything about pods."""
        told = self.profile.model_dump(
            exclude_defaults=True,
            include={"service_account", "ttl_seconds", "deadline_seconds", "defaults", "kinds", "steps"},
        )
        return bool(told)

    @property
    def on_ray(self) -> tuple[RaySection, ...]:
        """What the profile says about the RayJobs of the steps that have one."""
        return tuple(step.ray for step in self._steps if step.ray is not None)

    @property
    def accelerators(self) -> dict[str, dict[str, str]]:
        """The accelerators that some step wants, and the labels of the nodes that shall have them."""
        found: dict[str, dict[str, str]] = {}
        for step in self._steps:
            if step.resources is not None and step.resources.accelerator:
                found.setdefault(step.resources.accelerator, dict(step.node_selector))
            if step.ray is not None and step.ray.worker is not None and step.ray.worker.accelerator:
                found.setdefault(step.ray.worker.accelerator, {**step.node_selector, **step.ray.node_selector})
        return found

    @property
    def secret_names(self) -> set[str]:
        """Names of the Secrets that some pod of the profile cannot start without."""
        found = set(self.profile.image_pull_secrets)
        for step in self._steps:
            entries = (*step.secrets, *(step.ray.secrets if step.ray is not None else ()))
            found |= {one.secret for one in entries if not one.optional}
        return found

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no output may show: what was given, and what the environment's well-known variables hold."""
        variables = (
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "KFP_TOKEN",
            "KFP_COOKIE",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
        )
        found = [os.environ.get(name, "") for name in variables]
        if self.connection is not None:
            found += [self.connection.current_token(), self.connection.cookie]
        return tuple(filter(None, found))

    @property
    def environment(self) -> dict[str, str]:
        """Variables to set while the checks run: the profile's, where this process has none, and short patience."""
        theirs = self.profile.defaults.environment
        names = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "MLFLOW_TRACKING_URI")
        mine = {name: theirs[name] for name in names if name in theirs and not os.environ.get(name)}
        return {**mine, "EARTHENWARE_STORE_SECONDS": f"{0.25 * self.seconds:g}"}

    @property
    def _steps(self) -> tuple[StepSettings, ...]:
        """What holds for each step of the pipeline."""
        return tuple(self.profile.step(step.name) for step in find_pipeline(self.pipeline).steps)
