"""What went wrong between here and Kubeflow Pipelines: one sentence, one code and one remedy per kind of failure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from earthenware.errors import EarthenwareError, one_line, reason
from earthenware.kubeflow._connection import Connection

STARTING: Final = "start the run"
"""What the request that starts a run is for; it must not be sent twice."""

TRANSIENT: Final = frozenset({"KFP_UNAVAILABLE", "KFP_UNREACHABLE"})
"""Codes of failures that may pass by themselves."""

_LOGIN: Final = "Get a new token (KFP_TOKEN, --token-file) or cookie (KFP_COOKIE); docs/submit.md says how."
_HOST: Final = "--host wants the URL below which /apis/v2beta1 lies: often https://HOST/pipeline, or a port-forward."


def explain_status(status: int, body: str, doing: str, connection: Connection) -> EarthenwareError:
    """Return the error for an HTTP answer other than success to a request for ``doing``, as ``start the run``."""
    host, said = connection.host, connection.mask(_server_says(body))
    because = f": {said}" if said else ""
    if status in (301, 302, 303, 307, 308):
        message = f"{host} sends this request to a log-in page instead of answering (HTTP {status})."
        return EarthenwareError("KFP_UNAUTHENTICATED", message, f"The cookie or token is missing or expired. {_LOGIN}")
    if status == 403 and _is_html(body):
        message = f"{host} shows a log-in page instead of answering (HTTP 403)."
        return EarthenwareError("KFP_UNAUTHENTICATED", message, f"The cookie or token is missing or expired. {_LOGIN}")
    if status == 401:
        return EarthenwareError("KFP_UNAUTHENTICATED", _refused(connection), _LOGIN)
    if status == 403:
        place = f" in the namespace '{connection.namespace}'" if connection.namespace else ""
        message = f"{host} does not allow you to {doing}{place} (HTTP 403){because}."
        remedy = "Check --namespace, or ask an administrator of the cluster to make you a contributor of it."
        return EarthenwareError("KFP_FORBIDDEN", message, remedy)
    if status == 404:
        if not said or not body.lstrip().startswith("{"):  # what Kubeflow does not find it says in JSON
            return not_kubeflow(connection, "it knows no such path (HTTP 404)")
        message = f"{host} did not find what it needs to {doing} (HTTP 404){because}."
        return EarthenwareError("KFP_NOT_FOUND", message, "Check the name or id, and --namespace.")
    if status == 409:
        message = f"{host} cannot {doing}, because it exists already (HTTP 409){because}."
        return EarthenwareError("KFP_CONFLICT", message, "Give the same command again, or choose another name.")
    if status in (408, 425, 429) or status >= 500:
        message = f"{host} could not {doing} now (HTTP {status}){because}."
        remedy = "It may pass: give the same command again. If it stays, look at the log of the pod ml-pipeline."
        return EarthenwareError("KFP_UNAVAILABLE", message, remedy)
    message = f"{host} refused to {doing} (HTTP {status}){because}."
    return EarthenwareError("KFP_REFUSED", message, _advice(said, body, connection))


def explain_network(error: BaseException, doing: str, connection: Connection) -> EarthenwareError:
    """Return the error for a request that got no answer: no such host, refused, broken off, no trust."""
    import ssl

    import urllib3.exceptions as http

    host, causes = connection.host, list(_causes(error))
    if any(isinstance(cause, ssl.SSLError | http.SSLError) for cause in causes):
        said = connection.mask(one_line(re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(causes[-1])), 200))
        remedy = "Give the authority's certificate with --ca-cert, and the host name for which it was issued."
        if "wrong version number" in said.lower().replace("_", " "):
            remedy = "The port speaks plain HTTP: write http:// instead of https://."
        return EarthenwareError("KFP_TLS", f"There is no trusted TLS connection to {host}: {said}.", remedy)
    # A request that was sent may have been carried out, although its answer was lost.
    begun = "Look in Kubeflow first whether the run has begun; if it has not, give" if doing == STARTING else "Give"
    message = f"{host} did not answer when it was asked to {doing}: {connection.mask(reason(error))}."
    remedy = (
        "Check --host (a cluster's own names hold in it alone), the VPN and the proxy; a kubectl port-forward may have "
        f"ended. {begun} the same command again."
    )
    return EarthenwareError("KFP_UNREACHABLE", message, remedy)


def not_kubeflow(connection: Connection, reason: str) -> EarthenwareError:
    """Return the error for a host that answers, but not as Kubeflow Pipelines does."""
    return EarthenwareError("NOT_KUBEFLOW", f"{connection.host} is not a Kubeflow Pipelines API: {reason}.", _HOST)


def _refused(connection: Connection) -> str:
    host, token = connection.host, connection.current_token()
    if not token and not connection.cookie:
        return f"{host} wants a token or a cookie, and none was given (HTTP 401)."
    what = "token" if token else "cookie"
    expiry = _expiry(token)
    if expiry is not None and expiry <= datetime.now(UTC):
        return f"The token for {host} expired at {expiry:%Y-%m-%d %H:%M:%S} UTC (HTTP 401)."
    return f"{host} does not accept the {what}: it may have expired, or be meant for another audience (HTTP 401)."


def _expiry(token: str) -> datetime | None:
    """Return when a JSON Web Token expires; None when the token does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def _advice(said: str, body: str, connection: Connection) -> str:
    if "namespace" in body.lower() and not connection.namespace:
        return "This Kubeflow has several users: give your own with --namespace."
    if said.startswith("Failed to create a pipeline"):  # what the server says of an upload that it does not allow
        return "You may lack the right to upload pipelines there: check --namespace, or ask an administrator."
    return "Mend what it names and give the same command again."


def _server_says(body: str) -> str:
    """Return what a server says about a failure as one short phrase without a full stop; empty for a web page."""
    if _is_html(body):
        return ""
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = body
    if isinstance(value, dict):
        found = (value.get(key) for key in ("message", "error_message", "error"))
        value = next((text for text in found if isinstance(text, str) and text), "")
    return one_line(str(value), 300)


def _is_html(body: str) -> bool:
    return bool(re.match(r"(?is)\s*<(!doctype|html|head|body|\?xml)", body))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, as urllib3 and Python nest them."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        inner = (getattr(error, "reason", None), error.__cause__, *error.args, error.__context__)
        error = next((one for one in inner if isinstance(one, BaseException)), None)
