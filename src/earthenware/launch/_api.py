"""Calls to Kubernetes: retried while the API is away, and told in one sentence where they fail."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from earthenware import storage
from earthenware.errors import EarthenwareError

T = TypeVar("T")

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
    """

    poll: float = 2.0
    outage: float = 300.0
    denied: float = 30.0
    grace: float = 120.0
    silence: float = 15.0
    cleanup: float = 6.0

    def slower(self, pause: float) -> float:
        """Return the pause after one that brought no news."""
        return min(1.3 * pause, 5 * self.poll)


class RefusedError(Exception):
    """An answer that the caller expected and acts upon.

    Attributes:
        status: The HTTP status.
        message: What Kubernetes says.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Cluster:
    """A connection to Kubernetes, for one thread: by ``KUBECONFIG``, this pod's service account, or ``~/.kube/config``.

    Args:
        pace: How long to try.

    Raises:
        EarthenwareError: ``NO_CLUSTER`` when none of them is there.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.in_pod = not os.environ.get("KUBECONFIG") and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
        self._connect()

    def _connect(self) -> None:
        import urllib3
        from kubernetes import client, config

        settings = client.Configuration()
        try:
            if self.in_pod:
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(_kubeconfig(), client_configuration=settings)
        except (config.ConfigException, OSError) as error:
            message = f"There is no way into a Kubernetes cluster: {_one_line(str(error))}."
            remedy = "Run this as a pipeline step on the cluster, or set KUBECONFIG."
            raise EarthenwareError("NO_CLUSTER", message, remedy) from None
        settings.retries = urllib3.Retry(0)  # tried again below, where it is known for how long
        settings.client_side_validation = False  # a cluster may be newer than its client
        api = client.ApiClient(settings)
        self.host: str = settings.host
        self.core = client.CoreV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def namespace(self) -> str:
        """Return the namespace that this process works in."""
        from kubernetes import config

        if self.in_pod:
            return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
        with contextlib.suppress(config.ConfigException, OSError):
            _, active = config.list_kube_config_contexts(_kubeconfig())
            return str(active["context"].get("namespace") or "default")
        return "default"

    def pods(self, namespace: str, selector: str) -> list[Any]:
        """Return the pods that a label selector finds.

        Raises:
            EarthenwareError: ``CLUSTER_*``.
        """

        def find() -> list[Any]:
            found = self.core.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=30)
            return list(found.items)

        return self.call("list", "pods", namespace, find)

    def call(
        self,
        verb: str,
        resource: str,
        namespace: str,
        function: Callable[[], T],
        *,
        expected: tuple[int, ...] = (),
        patience: float | None = None,
    ) -> T:
        """Make one call.

        Args:
            verb: What it does, as a Role names it.
            resource: To what, as a Role names it.
            namespace: Where.
            function: Makes the call with this object's ``core`` or ``custom``.
            expected: Statuses that the caller acts upon.
            patience: The API may be away so long (seconds); by default what the pace says.

        Raises:
            RefusedError: The answer has one of the expected statuses.
            EarthenwareError: ``CLUSTER_UNREACHABLE``, ``CLUSTER_TOKEN``, ``CLUSTER_FORBIDDEN`` or ``CLUSTER_FAILED``.
        """
        import urllib3
        from kubernetes.client.exceptions import ApiException

        patience = self.pace.outage if patience is None else patience
        began, wait = time.monotonic(), min(0.25, self.pace.poll)
        while True:
            limit = patience
            try:
                return function()
            except ApiException as error:
                status, text = error.status or 0, _message(error)
                if status in expected:
                    raise RefusedError(status, text) from None
                if status == 403:
                    raise _forbidden(verb, resource, namespace, text) from None
                if status == 401:
                    limit = min(patience, self.pace.denied)
                    failure = _denied(self.host)
                    self._connect()  # reads the token anew
                elif status in _AWAY:
                    failure = _away(self.host, f"it answers {status} {text}" if status else text, patience)
                else:
                    message = f"Kubernetes answers {status} to {verb} {resource} in namespace '{namespace}': {text}."
                    raise EarthenwareError("CLUSTER_FAILED", message, "Check the profile and the cluster.") from None
            except (urllib3.exceptions.HTTPError, OSError) as error:
                failure = _away(self.host, _reason(error), patience)
            if time.monotonic() - began + wait > limit:
                raise failure from None
            time.sleep(wait)
            wait = min(2 * wait, 10.0, max(limit / 4, 0.05))


def _kubeconfig() -> str | None:
    """Return the files that ``KUBECONFIG`` names now: the client looks at it once, when it is imported."""
    return os.environ.get("KUBECONFIG") or None


def _message(error: Any) -> str:
    """Return what Kubernetes says, which is in the ``message`` of a Status object."""
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else error.body or ""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        body = json.loads(body).get("message") or body
    return _one_line(str(body) or str(error.reason))


def _one_line(text: str) -> str:
    return storage.redact_text(" ".join(text.split()))[:400].rstrip(". ")


def _reason(error: BaseException) -> str:
    text = str(error)
    if "refused" in text:
        return "the connection is refused"
    if "timed out" in text:
        return "it does not answer in time"
    if "resolve" in text or "Name or service" in text:
        return "its name is not known"
    return f"the connection broke ({type(error).__name__})"


def _away(host: str, reason: str, patience: float) -> EarthenwareError:
    message = f"The Kubernetes API at {host} cannot be used for {patience:.0f} s: {reason}."
    return EarthenwareError("CLUSTER_UNREACHABLE", message, "Check the cluster; run the step again, it resumes.")


def _denied(host: str) -> EarthenwareError:
    message = f"The Kubernetes API at {host} does not accept this process's token (401)."
    return EarthenwareError("CLUSTER_TOKEN", message, "The token ran out or the service account is gone: log in anew.")


def _forbidden(verb: str, resource: str, namespace: str, text: str) -> EarthenwareError:
    if "cannot" not in text:  # not a Role's doing: a quota, or an admission rule
        message = f"Kubernetes forbids to {verb} {resource} in namespace '{namespace}': {text}."
        return EarthenwareError("CLUSTER_FORBIDDEN", message, "Ask for less in the profile, or ask who set the rule.")
    message = f"The service account may not {verb} {resource} in namespace '{namespace}' (403)."
    remedy = "Run the step with the service account for steps of the chart earthenware, whose Role allows it."
    return EarthenwareError("CLUSTER_FORBIDDEN", message, remedy)
