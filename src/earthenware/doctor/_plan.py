"""Which checks a situation calls for: the profile decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from earthenware import storage
from earthenware.doctor._accelerator import check_accelerator
from earthenware.doctor._catalog import check_catalog
from earthenware.doctor._cluster import (
    check_cluster,
    check_kuberay,
    check_nodes,
    check_rights,
    check_secrets,
    connect_cluster,
)
from earthenware.doctor._finding import Check, Verdict, failed, skipped
from earthenware.doctor._machine import check_cpu, check_disk, check_memory, check_shared_memory, check_temporary
from earthenware.doctor._mlflow import mlflow_checks
from earthenware.doctor._packages import check_packages, check_python, check_tested, check_torch
from earthenware.doctor._pipelines import check_compiled, kubeflow_checks
from earthenware.doctor._situation import Situation
from earthenware.doctor._store import store_checks
from earthenware.errors import EarthenwareError
from earthenware.launch import Cluster
from earthenware.network import in_pod, is_hidden
from earthenware.tracking import resolve_uri


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


def _catalog(situation: Situation) -> list[Check]:
    if not situation.catalog:
        return [Check("catalog", lambda: skipped("No catalog was given.", "Give --catalog or --spec."))]
    if situation.on_cluster and storage.is_local(situation.catalog):
        sentence = f"The catalog '{situation.catalog}' is a file of this machine, which the pods of a cluster lack."
        return [Check("catalog", lambda: failed(sentence, "Copy it to the store, or name a STAC API by its URL."))]
    return [Check("catalog", lambda: check_catalog(situation.catalog, 0.4 * situation.seconds), "", situation.seconds)]


def _store(situation: Situation) -> list[Check]:
    root = situation.root
    if not root:
        return [Check("store", lambda: skipped("No root was given.", "Give --root or --spec."))]
    if situation.on_cluster and storage.is_local(root):
        sentence = f"The root '{root}' is a folder of this machine, which the pods of a cluster do not share."
        return [Check("store", lambda: failed(sentence, "Give a root in an object store: --root s3://BUCKET/PREFIX."))]
    endpoint = storage.own_access().endpoint
    if not storage.is_local(root) and is_hidden(endpoint):
        sentence = f"The store '{storage.redact(endpoint)}' is a name inside the cluster, and this machine is outside."
        remedy = "Run doctor in a pod, or forward a port and set AWS_ENDPOINT_URL to it."
        return [Check("store", lambda: skipped(sentence, remedy))]
    return store_checks(root, situation.seconds)


def _mlflow(situation: Situation) -> list[Check]:
    try:
        # Without a root the laptop's database is not known, nor needed.
        uri = resolve_uri(situation.tracking_uri, situation.root or "s3://unknown")
    except EarthenwareError as error:
        remedy = error.remedy
        if not situation.root:
            return [Check("mlflow", lambda: skipped("No tracking store was given.", "Give --root, --spec or both."))]
        return [Check("mlflow", lambda: failed("There is no tracking store for a root that is not local.", remedy))]
    if situation.on_cluster and uri.startswith(("sqlite:", "file:", "/")):
        sentence = f"The tracking store '{uri}' is on this machine, and the pods of a cluster lack it."
        return [Check("mlflow", lambda: failed(sentence, "Name an MLflow server by its http:// URL, or 'off'."))]
    return mlflow_checks(uri, situation.seconds)


def _cluster(situation: Situation) -> list[Check]:
    seconds = situation.seconds
    account = situation.profile.service_account

    @cache
    def cluster() -> Cluster:
        return connect_cluster(situation.namespace, 0.6 * seconds)

    def asks(name: str, question: Callable[[Cluster], Verdict]) -> Check:
        return Check(name, lambda: question(cluster()), "kubernetes", 2 * seconds)

    names = situation.secret_names
    checks = kubeflow_checks(situation.connection, seconds)
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
