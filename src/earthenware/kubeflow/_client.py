"""The API of Kubeflow Pipelines by its generated client: with timeouts, a look at each answer, and no endless waits.

``kfp.Client`` would do more than was asked for: it reads and writes files in the home folder, asks Google for tokens,
and prints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from earthenware import __version__
from earthenware.errors import EarthenwareError
from earthenware.kubeflow._connection import Connection
from earthenware.kubeflow._errors import explain_network, explain_status, not_kubeflow

if TYPE_CHECKING:
    import kfp_server_api

_LOG_BYTES: Final = 32 * 2**20
"""Most of a pod's log that is read to show its end (bytes)."""


class KubeflowClient:
    """An open connection. Its services' requests raise :class:`EarthenwareError`; nothing is tried again.

    ``timeout`` is the time to connect, and the time without a byte of the answer (seconds).

    Attributes:
        connection: Where it is; it has no namespace where the server has one user.
        models: What the services take.
        pipelines, uploads, experiments, runs, recurring_runs: The services of the generated client.
    """

    def __init__(self, connection: Connection, timeout: tuple[float, float] = (10, 60)) -> None:
        import kfp_server_api

        self.connection = connection
        self._timeout = timeout
        self._doing = "answer"
        self._api = kfp_server_api.ApiClient(_configuration(connection), cookie=connection.cookie or None)
        self._api.request = self._guarded(self._api.request)
        self._api.user_agent = f"earthenware/{__version__}"
        self.models = kfp_server_api.models
        self.pipelines = kfp_server_api.PipelineServiceApi(self._api)
        self.uploads = kfp_server_api.PipelineUploadServiceApi(self._api)
        self.experiments = kfp_server_api.ExperimentServiceApi(self._api)
        self.runs = kfp_server_api.RunServiceApi(self._api)
        self.recurring_runs = kfp_server_api.RecurringRunServiceApi(self._api)

    def to(self, doing: str) -> KubeflowClient:
        """Say what the requests that follow are for, such as ``start the run``; errors name it."""
        self._doing = doing
        return self

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Return the JSON object at a path below ``/apis/v2beta1/``."""
        found: dict[str, Any] = self._api.call_api(
            f"/apis/v2beta1/{path}",
            "GET",
            query_params=list(parameters.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["Bearer"],
            response_type="object",
            _return_http_data_only=True,
        )
        return found

    def link(self, kind: str, identity: str) -> str:
        """Return the address of a page of the UI: ``kind`` is ``runs``, ``recurringrun`` or such.

        The UI has the address of the API, unless ``KF_PIPELINES_UI_ENDPOINT`` says otherwise, as for the SDK.
        """
        base = os.environ.get("KF_PIPELINES_UI_ENDPOINT", "").rstrip("/") or self.connection.host
        return f"{base}/#/{kind}/details/{identity}"

    def log_tail(self, run_id: str, node: str, lines: int) -> list[str]:
        """Return the last lines of what a run's pod, named ``node``, has written; empty where the server has none."""
        import urllib3.exceptions as http

        path = f"/apis/v1alpha1/runs/{quote(run_id)}/nodes/{quote(node)}/log"
        end, read = b"", 0
        try:
            answer = self._api.call_api(path, "GET", auth_settings=["Bearer"], _preload_content=False)
            with contextlib.closing(answer) as response:
                for part in response.stream(65536):
                    read += len(part)
                    end = (end + part)[-262144:]
                    if read > _LOG_BYTES:
                        break
        except (EarthenwareError, http.HTTPError):
            return []
        if end.startswith((b'{"error_message"', b"<")):  # a failure to read comes with status 200; so may a log-in page
            return []
        text = self.connection.mask(end.decode("utf-8", errors="replace"))
        return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]

    def _guarded(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Return the generated client's request function with a timeout, a look at the answer, and our errors."""
        import kfp_server_api
        import urllib3.exceptions as http

        def guarded(method: str, url: str, **keywords: Any) -> Any:
            try:
                response = request(method, url, **{**keywords, "_request_timeout": self._timeout})
            except kfp_server_api.ApiException as error:
                if not error.status:  # a TLS failure, which has no body
                    raise explain_network(error.__context__ or error, self._doing, self.connection) from None
                text = (error.body or b"").decode("utf-8", errors="replace")
                raise explain_status(error.status, text, self._doing, self.connection) from None
            except (http.HTTPError, OSError) as error:
                raise explain_network(error, self._doing, self.connection) from None
            if keywords.get("_preload_content") is False:
                return response
            try:
                answer = json.loads(response.data)
            except ValueError:
                answer = None
            if not isinstance(answer, dict):
                raise not_kubeflow(self.connection, f"it answers with {_kind(response)} where JSON is due")
            return response

        return guarded


def connect(connection: Connection) -> KubeflowClient:
    """Open a Kubeflow Pipelines API and see that it is one.

    Raises:
        EarthenwareError: ``KFP_UNREACHABLE``, ``KFP_TLS``, ``KFP_UNAUTHENTICATED``, ``KFP_FORBIDDEN``,
            ``KFP_UNAVAILABLE``, ``NOT_KUBEFLOW``, or ``NO_NAMESPACE`` when it has several users and none is named.
    """
    client = KubeflowClient(connection)
    several = client.to("say that it is healthy").get("healthz").get("multi_user")
    if several and not connection.namespace:
        message = f"{connection.host} has several users, and no namespace is given."
        raise EarthenwareError("NO_NAMESPACE", message, "Give your own with --namespace.")
    if not several:  # such a server refuses requests that name a namespace
        client.connection = dataclasses.replace(connection, namespace="")
    return client


def _configuration(connection: Connection) -> kfp_server_api.Configuration:
    import kfp_server_api
    import urllib3

    configuration = kfp_server_api.Configuration(host=connection.host)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the line above has set it, too
    # A redirect leads to a log-in page, whose HTML would be taken for an empty answer.
    configuration.retries = urllib3.Retry(0, redirect=0, raise_on_redirect=False, raise_on_status=False)
    configuration.ssl_ca_cert = str(connection.ca_cert) if connection.ca_cert else None
    configuration.proxy = _proxy(connection.host)
    if connection.token or connection.token_file:

        def refresh(current: kfp_server_api.Configuration) -> None:
            current.api_key["authorization"] = connection.current_token()

        configuration.api_key_prefix["authorization"] = "Bearer"
        refresh(configuration)
        configuration.refresh_api_key_hook = refresh
    return configuration


def _proxy(host: str) -> str | None:
    """Return the proxy that the environment names for a host; the generated client does not look."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(host)
    name = parts.hostname or ""
    if name in ("localhost", "::1") or name.startswith("127.") or proxy_bypass(name):
        return None
    return getproxies().get(parts.scheme)


def _kind(response: Any) -> str:
    kind = str(response.getheader("content-type") or "").partition(";")[0].strip()
    return "a web page" if "html" in kind else f"'{kind[:40]}'" if kind else "something else"
