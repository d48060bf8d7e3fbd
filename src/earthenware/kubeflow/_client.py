"""A ``kfp.Client`` without surprises: no files in the home folder, no calls elsewhere, no prints, no endless waits."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from earthenware import __version__
from earthenware.errors import EarthenwareError
from earthenware.kubeflow._connection import Connection
from earthenware.kubeflow._errors import explain_network, explain_status, not_kubeflow

if TYPE_CHECKING:
    import kfp
    import kfp_server_api

_SECONDS: Final = (10, 60)
"""Time to connect, and time without a byte of the answer (seconds)."""
_NO_NAMESPACE: Final = "-"
_LOG_BYTES: Final = 32 * 2**20
"""Most of a pod's log that is read to show its end (bytes)."""


@dataclass
class KubeflowClient:
    """An open connection: the SDK's client, and what it does not do well enough by itself.

    Attributes:
        connection: Where it is.
        sdk: The SDK's client. Its requests raise :class:`EarthenwareError`.
        multi_user: Whether every run belongs to a user's namespace there.
    """

    connection: Connection
    sdk: kfp.Client
    multi_user: bool
    doing: str = "answer"

    @contextlib.contextmanager
    def to(self, doing: str) -> Iterator[kfp.Client]:
        """Name what the requests inside are for, such as ``start the run``, and keep the SDK from printing."""
        before, self.doing = self.doing, doing
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield self.sdk
        finally:
            self.doing = before

    def link(self, kind: str, identity: str) -> str:
        """Return the address of a page of the UI, such as that of a run.

        The UI has the address of the API, unless ``KF_PIPELINES_UI_ENDPOINT`` says otherwise, as for the SDK.

        Args:
            kind: ``runs``, ``recurringrun``, ``experiments`` or ``pipelines``.
            identity: Id of the thing.
        """
        base = os.environ.get("KF_PIPELINES_UI_ENDPOINT", "").rstrip("/") or self.connection.host
        return f"{base}/#/{kind}/details/{identity}"

    def log_tail(self, run_id: str, node: str, lines: int) -> list[str]:
        """Return the last lines of what a run's pod has written; empty where the server has none.

        Args:
            run_id: Id of the run.
            node: Name of the pod.
            lines: Most lines to return.
        """
        import urllib3.exceptions as http

        api = self.sdk.runs.run_service_get_run.__self__.api_client
        url = f"{self.connection.host}/apis/v1alpha1/runs/{quote(run_id)}/nodes/{quote(node)}/log"
        headers = {**api.default_headers, **({"Cookie": api.cookie} if api.cookie else {})}
        api.update_params_for_auth(headers, [], ["Bearer"])
        end = b""
        try:
            pool = api.rest_client.pool_manager
            response = pool.request("GET", url, headers=headers, preload_content=False, timeout=_timeout())
            with contextlib.closing(response):
                if response.status != 200:
                    return []
                read = 0
                for part in response.stream(65536):
                    read += len(part)
                    end = (end + part)[-262144:]
                    if read > _LOG_BYTES:
                        break
        except http.HTTPError:
            return []
        if end.startswith((b'{"error_message"', b"<")):  # a failure to read comes with status 200; so may a log-in page
            return []
        text = self.connection.mask(end.decode("utf-8", errors="replace"))
        return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def connect(connection: Connection) -> KubeflowClient:
    """Open a Kubeflow Pipelines API and see that it is one.

    Args:
        connection: Where it is, and what opens it.

    Raises:
        EarthenwareError: ``KFP_UNREACHABLE``, ``KFP_TLS``, ``KFP_UNAUTHENTICATED``, ``KFP_FORBIDDEN``,
            ``KFP_UNAVAILABLE``, ``NOT_KUBEFLOW``, or ``NO_NAMESPACE`` when it has several users and none is named.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's remark on servers older than 2.0
        sdk = _quiet_client(connection)
    client = KubeflowClient(connection, sdk, multi_user=False)
    api = sdk.runs.run_service_get_run.__self__.api_client
    api.request = _guarded(api.request, lambda: (client.doing, client.connection))
    api.user_agent = f"earthenware/{__version__}"
    with client.to("say that it is healthy"):
        health = sdk.get_kfp_healthz()
    client.multi_user = bool(health.multi_user)
    if client.multi_user and not connection.namespace:
        message = f"{connection.host} has several users, and no namespace is given."
        raise EarthenwareError("NO_NAMESPACE", message, "Give your own with --namespace.")
    if not client.multi_user:  # such a server refuses requests that name a namespace
        client.connection = dataclasses.replace(connection, namespace="")
        sdk.set_user_namespace(_NO_NAMESPACE)
    return client


def ask(connection: Connection, path: str, doing: str, seconds: float, **parameters: Any) -> dict[str, Any]:
    """Return the JSON object that one request is answered with; nothing is tried again.

    Args:
        connection: Where the API is, and what opens it.
        path: Below ``/apis/v2beta1/``.
        doing: What it is for, such as ``list experiments``.
        seconds: Longest silence; connecting gets half of it.
        parameters: The query.

    Raises:
        EarthenwareError: ``KFP_*`` or ``NOT_KUBEFLOW``.
    """
    import kfp_server_api

    api = kfp_server_api.ApiClient(_configuration(connection), cookie=connection.cookie or None)
    api.request = _guarded(api.request, lambda: (doing, connection))
    found: dict[str, Any] = api.call_api(
        f"/apis/v2beta1/{path}",
        "GET",
        query_params=list(parameters.items()),
        header_params={"Accept": "application/json"},
        auth_settings=["Bearer"],
        response_type="object",
        _return_http_data_only=True,
        _request_timeout=(seconds / 2, seconds),
    )
    return found


def _quiet_client(connection: Connection) -> kfp.Client:
    import kfp

    class Client(kfp.Client):  # type: ignore[misc]  # the SDK is untyped
        """The SDK's client without what it reads and writes on its own."""

        def _load_config(self, *_: Any) -> kfp_server_api.Configuration:
            # The SDK's own asks Google for a token for some hosts and variables, and falls back to a kubeconfig.
            return _configuration(connection)

        def _load_context_setting_or_default(self) -> None:
            # Nor is ~/.config/kfp/context.json read, which may hold another cluster's cookie. A name must stand here,
            # or the constructor asks the server for it, up to five times.
            self._context_setting = {"namespace": connection.namespace or _NO_NAMESPACE}

        def set_user_namespace(self, namespace: str) -> None:
            self._context_setting["namespace"] = namespace

        def get_user_namespace(self) -> str:
            name = self._context_setting["namespace"]
            return "" if name == _NO_NAMESPACE else name

        def get_kfp_healthz(self, sleep_duration: int = 0) -> kfp_server_api.V2beta1GetHealthzResponse:
            return self._healthz_api.healthz_service_get_healthz()

    client = Client(host=connection.host, cookies=connection.cookie or None)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the SDK's configuration has set it, too
    return client


def _configuration(connection: Connection) -> kfp_server_api.Configuration:
    import kfp_server_api
    import urllib3

    configuration = kfp_server_api.Configuration(host=connection.host)
    # A redirect leads to a log-in page, whose HTML the SDK would take for an empty answer.
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
    """Return the proxy that the environment names for a host; the SDK does not look."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(host)
    name = parts.hostname or ""
    if name in ("localhost", "::1") or name.startswith("127.") or proxy_bypass(name):
        return None
    return getproxies().get(parts.scheme)


def _guarded(request: Callable[..., Any], what: Callable[[], tuple[str, Connection]]) -> Callable[..., Any]:
    """Return the SDK's request function with a timeout, a look at the answer, and failures as one sentence.

    Args:
        request: The SDK's.
        what: Tells what a request is for, and where it goes.
    """
    import kfp_server_api
    import urllib3.exceptions as http

    def guarded(method: str, url: str, **keywords: Any) -> Any:
        keywords["_request_timeout"] = keywords.get("_request_timeout") or _SECONDS
        try:
            response = request(method, url, **keywords)
        except kfp_server_api.ApiException as error:
            if not error.status:  # a TLS failure; the SDK would stumble over its missing body
                cause = error.__context__ or error
                raise explain_network(cause, *what()) from None
            body = error.body if isinstance(error.body, bytes) else str(error.body or "").encode()
            text = body.decode("utf-8", errors="replace")
            raise explain_status(error.status, text, *what()) from None
        except (http.HTTPError, OSError) as error:
            raise explain_network(error, *what()) from None
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise not_kubeflow(what()[1], f"it answers with {_kind(response)} where JSON is due")
        return response

    return guarded


def _kind(response: Any) -> str:
    kind = str(response.getheader("content-type") or "").partition(";")[0].strip()
    return "a web page" if "html" in kind else f"'{kind[:40]}'" if kind else "something else"


def _timeout() -> Any:
    import urllib3

    return urllib3.Timeout(connect=_SECONDS[0], read=_SECONDS[1])
