"""What a run would use, and which checks that calls for: the profile decides."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from earthenware import storage
from earthenware.catalog import StacApi, is_file, read_items
from earthenware.compiling import Profile, RaySection, StepSettings
from earthenware.doctor._accelerator import check_accelerator, check_torch
from earthenware.doctor._cluster import (
    check_cluster,
    check_kuberay,
    check_nodes,
    check_rights,
    check_secrets,
    kubeflow_checks,
)
from earthenware.doctor._examine import Check, Verdict, failed, ok, skipped
from earthenware.doctor._machine import check_cpu, check_disk, check_memory, check_shared_memory, check_temporary
from earthenware.doctor._mlflow import mlflow_checks
from earthenware.doctor._packages import check_compiled, check_packages, check_python, check_tested
from earthenware.doctor._store import store_checks
from earthenware.errors import EarthenwareError
from earthenware.graph import find_pipeline
from earthenware.kubeflow import Connection
from earthenware.launch import Cluster, Pace
from earthenware.network import Patience, in_pod, is_hidden
from earthenware.tracking import resolve_uri


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


def plan(situation: Situation) -> list[Check]:
    """Return the checks that a situation calls for, in the order in which they are shown.

    It looks at the environment, in which ``situation.environment`` must be set, as must be while the checks run.
    """
    seconds, cluster = situation.seconds, situation.on_cluster
    gpu = bool(situation.accelerators)
    checks = [
        Check("python", check_python),
        Check("packages", check_packages),
        Check("tested versions", check_tested),
        Check("torch", lambda: check_torch(wants_gpu=gpu and not cluster)),
        Check("pipeline", lambda: check_compiled(situation.pipeline, situation.profile), seconds=2 * seconds),
        Check("cpu", check_cpu),
        Check("memory", check_memory),
        Check("shared memory", check_shared_memory),
        Check("temporary files", check_temporary),
    ]
    root = situation.root
    if root and storage.is_local(root):
        checks.append(Check("disk", lambda: check_disk(root)))
    if not cluster or in_pod():
        checks.append(Check("accelerator", lambda: check_accelerator(gpu, 5 * seconds), seconds=6 * seconds))
    checks += _catalog(situation) + _store(situation) + _mlflow(situation)
    return checks + (_cluster(situation) if cluster else [])


def _known(name: str, verdict: Verdict) -> list[Check]:
    return [Check(name, lambda: verdict)]


def _inside(name: str, url: str, remedy: str) -> list[Check]:
    """Return the check that tells that a URL means something inside the cluster only; none where it does here too."""
    if not is_hidden(url):
        return []
    sentence = f"'{storage.redact(url)}' is a name inside the cluster, and this machine is outside."
    return _known(name, skipped(sentence, f"Run doctor in a pod, or forward a port and {remedy}."))


def _catalog(situation: Situation) -> list[Check]:
    catalog = situation.catalog
    if not catalog:
        return _known("catalog", skipped("No catalog was given.", "Give --catalog or --spec."))
    if situation.on_cluster and storage.is_local(catalog):
        sentence = f"The catalog '{catalog}' is a file of this machine, which the pods of a cluster lack."
        return _known("catalog", failed(sentence, "Copy it to the store, or name a STAC API by its URL."))
    return [Check("catalog", lambda: _check_catalog(catalog, 0.4 * situation.seconds), seconds=situation.seconds)]


def _check_catalog(catalog: str, seconds: float) -> Verdict:
    """Read a file of items, or search an API for one item."""
    name = storage.redact(catalog).rstrip("/")
    patience = Patience(retries=0, connect=seconds / 2, answer=seconds)
    if is_file(catalog):
        count = sum(1 for _ in read_items(catalog, patience))
        if not count:
            return failed(f"'{name}' holds no items.", "Save the answer of a STAC search that finds some.")
        return ok(f"'{name}' holds {count:,} items.".replace(" 1 items.", " 1 item."))
    title, found = StacApi(catalog, patience).title_and_item()
    if not found:
        return failed(f"'{name}' answers, but a search finds no item at all.", "Is the catalog filled?")
    return ok(f"'{name}' ({title}) answers and can be searched.")


def _store(situation: Situation) -> list[Check]:
    root = situation.root
    if not root:
        return _known("store", skipped("No root was given.", "Give --root or --spec."))
    if situation.on_cluster and storage.is_local(root):
        sentence = f"The root '{root}' is a folder of this machine, which the pods of a cluster do not share."
        return _known("store", failed(sentence, "Give a root in an object store: --root s3://BUCKET/PREFIX."))
    endpoint = "" if storage.is_local(root) else storage.own_access().endpoint
    return _inside("store", endpoint, "set AWS_ENDPOINT_URL to it") or store_checks(root, situation.seconds)


def _mlflow(situation: Situation) -> list[Check]:
    try:
        # Without a root the laptop's database is not known, nor needed.
        uri = resolve_uri(situation.tracking_uri, situation.root or "s3://unknown")
    except EarthenwareError as error:
        if not situation.root:
            return _known("mlflow", skipped("No tracking store was given.", "Give --root, --spec or both."))
        return _known("mlflow", failed("There is no tracking store for a root that is not local.", error.remedy))
    if situation.on_cluster and uri.startswith(("sqlite:", "file:", "/")):
        sentence = f"The tracking store '{uri}' is on this machine, and the pods of a cluster lack it."
        return _known("mlflow", failed(sentence, "Name an MLflow server by its http:// URL, or 'off'."))
    server = uri if uri.startswith(("http://", "https://")) else ""
    return _inside("mlflow", server, "set MLFLOW_TRACKING_URI to it") or mlflow_checks(uri, situation.seconds)


def _cluster(situation: Situation) -> list[Check]:
    seconds, connection = situation.seconds, situation.connection
    account, names = situation.profile.service_account, situation.secret_names

    @cache
    def cluster() -> Cluster:  # asked once and not for long
        return Cluster(Pace(outage=0, denied=0, answer=0.6 * seconds), situation.namespace)

    def asks(name: str, question: Callable[[Cluster], Verdict]) -> Check:
        return Check(name, lambda: question(cluster()), "kubernetes", 2 * seconds)

    host = connection.host if connection is not None else ""
    checks = _inside("kubeflow pipelines", host, "give --host http://localhost:PORT")
    checks = checks or kubeflow_checks(connection, seconds)
    checks.append(Check("kubernetes", lambda: check_cluster(cluster()), seconds=2 * seconds))
    if names or account:
        checks.append(asks("kubernetes: secrets", lambda api: check_secrets(api, account, names)))
    if situation.on_ray:
        namespace = situation.on_ray[0].namespace
        checks.append(asks("kubernetes: rights", lambda api: check_rights(api, account, namespace)))
        checks.append(asks("kuberay", check_kuberay))
    for name, selector in situation.accelerators.items():
        checks.append(asks(f"kubernetes: {name}", partial(check_nodes, accelerator=name, selector=selector)))
    return checks
