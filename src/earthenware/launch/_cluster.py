"""Calls to Kubernetes: retried while the API is away, and told in one sentence where they fail."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from earthenware.errors import EarthenwareError, again, first_line, one_line, reason
from earthenware.network import in_pod

PERMISSIONS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("ray.io", "rayjobs", ("create", "delete", "get")),
    ("", "pods", ("get", "list")),
    ("", "pods/log", ("get",)),
)
"""What the launcher's service account must be allowed to do: API group, resource and verbs, all in one namespace.

A test compares them with the requests that a launch makes.
"""

_JSON: Final = "application/json"
_METHODS: Final = {"get": "GET", "list": "GET", "create": "POST", "delete": "DELETE"}
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_AWAY: Final = frozenset({0, 429, 500, 502, 503, 504})
"""Answers that say nothing of the request: the API restarts, or has too much to do."""


@dataclass(frozen=True)
class Pace:
    """How often and how long things are tried (seconds).

    Attributes:
        poll: Between two looks at a job of which there is news; up to five times that while there is none.
        outage: The API may be away so long.
        denied: A token may be refused so long: it is renewed in its file, but not at the moment it runs out.
        grace: What KubeRay may be late with a deadline before the launcher acts itself.
        silence: A log that says nothing for so long is asked for anew.
        cleanup: Removing a job may take so long when this process is told to end.
        answer: Longest silence of a request; connecting gets half of it.
    """

    poll: float = 2.0
    outage: float = 300.0
    denied: float = 30.0
    grace: float = 120.0
    silence: float = 15.0
    cleanup: float = 6.0
    answer: float = 30.0

    def slower(self, pause: float) -> float:
        """Return the pause after one that brought no news."""
        return min(1.3 * pause, 5 * self.poll)


class RefusedError(Exception):
    """An answer that the caller expected and acts upon: its HTTP status, and what Kubernetes says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """A connection to Kubernetes: by ``KUBECONFIG``, this pod's service account, or ``~/.kube/config``.

    Nothing is sent before the first call. Calls that are tried again belong to one thread, as the connection is then
    made anew.

    Attributes:
        pace: How long to try.
        in_pod: Whether the service account of this pod is used.
        namespace: The namespace to work in.
        host: URL of the API.
    """

    def __init__(self, pace: Pace, namespace: str = "") -> None:
        """Find the way into a cluster; an empty namespace is that of the pod or of the kubeconfig's context.

        Raises:
            EarthenwareError: ``NO_CLUSTER`` when there is none.
        """
        self.pace = pace
        self.in_pod = in_pod() and not os.environ.get("KUBECONFIG")
        self.namespace = namespace
        self._connect()

    def _connect(self) -> None:
        import urllib3
        import yaml
        from kubernetes import client, config

        settings = client.Configuration()
        try:
            if self.in_pod:
                config.load_incluster_config(client_configuration=settings)
                self.namespace = self.namespace or _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
            else:
                file = os.environ.get("KUBECONFIG") or None  # the client looks only once, when it is imported
                with _quiet():
                    config.load_kube_config(file, client_configuration=settings)
                    _, active = config.list_kube_config_contexts(file)
                self.namespace = self.namespace or str(active["context"].get("namespace") or "default")
        except (config.ConfigException, yaml.YAMLError, OSError, ValueError, LookupError, TypeError) as error:
            way = "service account" if self.in_pod else "kubeconfig"
            message = f"There is no way into a Kubernetes cluster, no usable {way}: {first_line(error)}."
            remedy = "Set KUBECONFIG to a valid file, or run this in a pod with a service account."
            raise EarthenwareError("NO_CLUSTER", message, remedy) from None
        settings.retries = urllib3.Retry(0)  # tried again below, where it is known for how long
        self._api = client.ApiClient(settings)
        self.host: str = settings.host

    def call(
        self,
        verb: str,
        resource: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        stream: bool = False,
        expected: Container[int] = (),
        patience: float | None = None,
        answer: float | None = None,
    ) -> Any:
        """Make one call, and return the JSON that it is answered with.

        Verb and resource are named as in a Role. With ``stream``, urllib3's response is returned, of which nothing was
        read yet. Where the pace does not say it, ``patience`` is how long the API may be away, and ``answer`` the
        longest silence (seconds).

        Raises:
            RefusedError: The answer has one of the expected statuses, which the caller acts upon.
            EarthenwareError: ``CLUSTER_UNREACHABLE``, ``CLUSTER_TOKEN``, ``CLUSTER_FORBIDDEN`` or ``CLUSTER_FAILED``.
        """
        import urllib3
        from kubernetes.client.exceptions import ApiException

        patience = self.pace.outage if patience is None else patience
        answer = self.pace.answer if answer is None else answer

        def once() -> Any:
            try:
                return self._api.call_api(
                    path,
                    _METHODS[verb],
                    query_params=list((query or {}).items()),
                    body=body,
                    header_params={"Accept": accept, "Content-Type": _JSON},
                    auth_settings=["BearerToken"],
                    response_type="object",
                    _return_http_data_only=True,
                    _preload_content=not stream,
                    _request_timeout=(answer / 2, answer),
                )
            except ApiException as error:
                status, text = error.status or 0, _message(error)
                if status in expected:
                    raise RefusedError(status, text) from None
                if status == 401:
                    self._connect()  # reads the token anew
                if status in _AWAY:
                    raise _away(self.host, f"it answers {status} {text}" if status else text, patience) from None
                raise _refused(self.host, status, f"{verb} {resource} in namespace '{self.namespace}'", text) from None
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise _away(self.host, reason(error), patience) from None

        def passes(error: Exception) -> float:
            limits = {"CLUSTER_UNREACHABLE": patience, "CLUSTER_TOKEN": min(patience, self.pace.denied)}
            return limits.get(error.code, 0.0) if isinstance(error, EarthenwareError) else 0.0

        return again(once, passes, first=min(0.25, self.pace.poll), longest=min(10.0, max(patience / 4, 0.05)))

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Return the pods of the namespace that a label selector finds."""
        path, query = f"/api/v1/namespaces/{self.namespace}/pods", {"labelSelector": selector}
        return list(self.call("list", "pods", path, query=query)["items"] or [])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from logging what the error says anyway, such as that a login plugin failed."""
    logger = logging.getLogger("root")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def _message(error: Any) -> str:
    """Return what Kubernetes says, which is in the ``message`` of a Status object."""
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else error.body or ""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        body = json.loads(body).get("message") or body
    return one_line(str(body) or str(error.reason))


def _away(host: str, why: str, patience: float) -> EarthenwareError:
    long = f" for {patience:.0f} s" if patience else ""
    message = f"The Kubernetes API at {host} cannot be reached{long}: {why}."
    remedy = (
        "Does 'kubectl version' answer? Check the address, the VPN and the proxy; a step that is run again resumes."
    )
    return EarthenwareError("CLUSTER_UNREACHABLE", message, remedy)


def _refused(host: str, status: int, doing: str, text: str) -> EarthenwareError:
    if status == 401:
        message = f"The Kubernetes API at {host} does not accept this process's token (HTTP 401)."
        remedy = "Log in again, as it may have run out; is the service account gone? 'kubectl auth whoami' tells."
        return EarthenwareError("CLUSTER_TOKEN", message, remedy)
    if status != 403:
        message = f"Kubernetes answers {status} to {doing}: {text}."
        return EarthenwareError("CLUSTER_FAILED", message, "Check the profile and the cluster.")
    if "cannot" not in text:  # not a Role's doing: a quota, or an admission rule
        message = f"Kubernetes forbids to {doing}: {text}."
        return EarthenwareError("CLUSTER_FORBIDDEN", message, "Ask for less in the profile, or ask who set the rule.")
    message = f"The service account may not {doing} (403)."
    remedy = "Run the step with the service account for steps of the chart earthenware, whose Role allows it."
    return EarthenwareError("CLUSTER_FORBIDDEN", message, remedy)
