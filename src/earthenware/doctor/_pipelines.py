"""Kubeflow Pipelines: whether the server answers, lets this user in and is recent enough; and what is sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from earthenware import __version__
from earthenware.compiling import Profile, compile_pipeline
from earthenware.doctor._finding import Check, Verdict, failed, ok, skipped, warning
from earthenware.doctor._where import is_hidden
from earthenware.errors import EarthenwareError
from earthenware.kubeflow import Connection
from earthenware.network import Answer, ask

LEAST: Final = (2, 17)
"""Release of Kubeflow Pipelines that the compiled pipelines need."""
_ROOT: Final = "Give the root of Kubeflow Pipelines, such as https://HOST/pipeline, by --host or KFP_HOST."
_LOGIN: Final = "Get a new token (KFP_TOKEN or --token-file), or the cookie of a browser's session (KFP_COOKIE)."


def kubeflow_checks(connection: Connection | None, seconds: float) -> list[Check]:
    """Return the checks of a Kubeflow Pipelines server.

    Args:
        connection: Where it is, and what opens it; None where that is not known.
        seconds: Longest time of one check.
    """
    if connection is None:
        return [Check("kubeflow pipelines", lambda: skipped("No host was given.", _ROOT))]
    if is_hidden(connection.host):
        sentence = f"'{connection.host}' is a name inside the cluster, and this machine is outside."
        remedy = "Run doctor in a pod, or forward a port and give --host http://localhost:PORT."
        return [Check("kubeflow pipelines", lambda: skipped(sentence, remedy))]
    server = _Server(connection, seconds * 0.6)
    return [
        Check("kubeflow pipelines", lambda: _check_health(server), "", seconds),
        Check("kubeflow pipelines: login", lambda: _check_login(server), "kubeflow pipelines", seconds),
    ]


@dataclass(frozen=True)
class _Server:
    """The API, asked once and not for long: the client that submits has more patience than a check may have."""

    connection: Connection
    seconds: float

    def ask(self, path: str, **parameters: Any) -> Answer:
        url = f"{self.connection.host}/apis/v2beta1/{path}"
        verify = str(self.connection.ca_cert) if self.connection.ca_cert else True
        return ask("GET", url, self.seconds, _ROOT, headers=self._headers(), params=parameters, verify=verify)

    def _headers(self) -> dict[str, str]:
        headers = {"Cookie": self.connection.cookie} if self.connection.cookie else {}
        token = self.connection.current_token()
        return {**headers, "Authorization": f"Bearer {token}"} if token else headers

    def refusal(self, answer: Answer) -> Verdict | None:
        """Return what an answer that is not the expected JSON means; None where it is."""
        status, where, namespace = answer.status, self.connection.host, self.connection.namespace
        if status == 401 or (status < 400 and answer.is_page):
            how = "HTTP 401" if status == 401 else "a page to log in"
            which = "the token or cookie given is not accepted, or ran out"
            return failed(
                f"'{where}' answers with {how}: {which if self._headers() else 'no token or cookie was given'}.", _LOGIN
            )
        if status == 403:
            place = f" in the namespace '{namespace}'" if namespace else ""
            remedy = "Ask to be made a contributor of that namespace, or correct --namespace."
            return failed(f"'{where}' knows this user, but does not permit to see experiments{place}.", remedy)
        if status == 404:
            return failed(f"There is no Kubeflow Pipelines API at '{where}' (HTTP 404).", _ROOT)
        if status == 400 and not namespace:
            return failed(f"'{where}' has several users and wants a namespace.", "Give your own by --namespace.")
        if status != 200:
            sentence = f"'{where}' answered HTTP {status}."
            return failed(sentence, "Look at the pods ml-pipeline and ml-pipeline-ui in Kubeflow's namespace.")
        if answer.json is None:
            return failed(f"'{where}' does not answer as Kubeflow Pipelines does.", _ROOT)
        return None


def _check_health(server: _Server) -> Verdict:
    answer = server.ask("healthz")
    refusal = server.refusal(answer)
    if refusal is not None:
        return refusal
    health = answer.json or {}
    if health.get("apiServerReady") is False:  # the user interface answers in the place of the API
        sentence = f"'{server.connection.host}' answers, but its API server does not."
        return failed(sentence, "Look at the pod ml-pipeline in Kubeflow's namespace.")
    if "multi_user" not in health:
        return failed(f"'{server.connection.host}' does not answer as Kubeflow Pipelines does.", _ROOT)
    tag = str(health.get("tag_name") or health.get("apiServerTagName") or "unknown")
    numbers = tag.removeprefix("v").split(".")
    users = "several users" if health["multi_user"] else "one user"
    if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
        sentence = f"'{server.connection.host}' answers ({users}), but does not tell its version ({tag})."
        return warning(sentence, f"See to it that it is {LEAST[0]}.{LEAST[1]} or later.")
    if (int(numbers[0]), int(numbers[1])) < LEAST:
        sentence = f"'{server.connection.host}' runs Kubeflow Pipelines {tag}."
        return failed(sentence, f"Upgrade it to {LEAST[0]}.{LEAST[1]} or later, which the pipelines are compiled for.")
    return ok(f"'{server.connection.host}' runs Kubeflow Pipelines {tag} for {users}.")


def _check_login(server: _Server) -> Verdict:
    namespace = server.connection.namespace
    answer = server.ask("experiments", page_size=1, **({"namespace": namespace} if namespace else {}))
    place = f" in the namespace '{namespace}'" if namespace else ""
    return server.refusal(answer) or ok(f"Experiments can be listed{place}.")


def check_compiled(pipeline: str, profile: Profile) -> Verdict:
    """Compile a shipped pipeline by a profile, and compare its version with this package's."""
    remedy = "Install earthenware anew; in a checkout run 'make pipelines'."
    try:
        compiled = compile_pipeline(pipeline, profile)
    except EarthenwareError as error:
        return failed(error.message, error.remedy or remedy)
    if compiled.package_version != __version__:
        sentence = f"The pipeline '{pipeline}' is of Earthenware {compiled.package_version}, this is {__version__}."
        return failed(sentence, remedy)
    return ok(f"The pipeline '{pipeline}' compiles, version {compiled.version_name}.")
