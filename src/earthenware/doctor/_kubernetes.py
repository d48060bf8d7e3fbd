"""Kubernetes: whether the cluster answers, and in what version."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from earthenware.doctor._finding import Verdict, failed, ok, warning
from earthenware.doctor._where import SERVICE_ACCOUNT, in_cluster
from earthenware.errors import EarthenwareError, first_line
from earthenware.network import reason

_OLDEST, _NEWEST = 31, 35
"""Minor releases of Kubernetes 1 that the objects are validated against."""
_JSON: Final = "application/json"
_REACH: Final = "Check the address in the kubeconfig, the VPN and the proxy: does 'kubectl version' answer?"
_LOGIN: Final = "Log in again (the token of the kubeconfig may have run out): does 'kubectl auth whoami' answer?"


class Cluster:
    """An API server, asked with this user's kubeconfig or this pod's service account.

    Attributes:
        namespace: The namespace that is looked at.
    """

    def __init__(self, api: Any, namespace: str, seconds: float) -> None:
        """Keep a connected client.

        Args:
            api: A ``kubernetes.client.ApiClient``.
            namespace: The namespace to look at.
            seconds: Longest silence.
        """
        self.namespace = namespace
        self._api = api
        self._wait = (seconds / 2, seconds)

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None, accept: str = _JSON
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object that a request is answered with; empty where the answer is an error.

        Raises:
            EarthenwareError: ``UNREACHABLE``, ``UNAUTHENTICATED``.
        """
        import urllib3
        from kubernetes.client.exceptions import ApiException

        try:
            value, status, _ = self._api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                body=body,
                header_params={"Accept": accept, "Content-Type": _JSON},
                auth_settings=["BearerToken"],
                response_type="object",
                _request_timeout=self._wait,
            )
        except ApiException as error:
            if error.status == 401:
                message = "The cluster does not accept this user's credentials (HTTP 401)."
                raise EarthenwareError("UNAUTHENTICATED", message, _LOGIN) from None
            return int(error.status or 0), {}
        except (urllib3.exceptions.HTTPError, OSError) as error:
            host = self._api.configuration.host
            raise EarthenwareError("UNREACHABLE", f"'{host}' cannot be reached: {reason(error)}.", _REACH) from None
        return int(status), value if isinstance(value, dict) else {}


def connect_cluster(namespace: str, seconds: float) -> Cluster:
    """Return the cluster of this pod's service account or of this user's kubeconfig; nothing is sent yet.

    Args:
        namespace: Empty for that of the pod or of the kubeconfig's context.
        seconds: Longest silence of a request.

    Raises:
        EarthenwareError: ``NO_CLUSTER``.
    """
    import yaml
    from kubernetes import client, config

    settings = client.Configuration()
    remedy = "Set KUBECONFIG to a valid file, or run doctor in a pod with a service account."
    try:
        if in_cluster() and not os.environ.get("KUBECONFIG"):
            config.load_incluster_config(client_configuration=settings)
            namespace = namespace or (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
        else:
            with _quiet():
                file = os.environ.get("KUBECONFIG") or None  # the client looks only once, when it is imported
                config.load_kube_config(file, client_configuration=settings)
                _, current = config.list_kube_config_contexts(file)
            namespace = namespace or current["context"].get("namespace", "")
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, KeyError, TypeError) as error:
        message = f"There is no usable kubeconfig: {first_line(error)}."
        raise EarthenwareError("NO_CLUSTER", message, remedy) from None
    settings.retries = False
    return Cluster(client.ApiClient(settings), namespace or "default", seconds)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from logging what the verdict says anyway, such as that a login plugin failed."""
    logger = logging.getLogger("root")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def check_cluster(cluster: Cluster) -> Verdict:
    """Tell the cluster's version and who asks."""
    _, version = cluster.call("GET", "/version")
    minor = "".join(letter for letter in str(version.get("minor", "")) if letter.isdigit())
    if not minor:
        return failed("The server does not answer as Kubernetes does.", _REACH)
    # Not every cluster tells, nor tells everybody, who it takes one for.
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    _, review = cluster.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    who = review.get("status", {}).get("userInfo", {}).get("username", "")
    asked = f", asked as {who}" if who else ""
    sentence = f"Kubernetes {version.get('gitVersion', 'unknown')}{asked}, namespace '{cluster.namespace}'."
    if not _OLDEST <= int(minor) <= _NEWEST:
        remedy = f"This release was made for Kubernetes 1.{_OLDEST} to 1.{_NEWEST}; others were not tried."
        return warning(sentence, remedy)
    return ok(sentence)
