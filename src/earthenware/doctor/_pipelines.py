"""Kubeflow Pipelines: whether the server answers, lets this user in and is recent enough; and what is sent to it."""

from __future__ import annotations

from typing import Final

from earthenware import __version__
from earthenware.compiling import Profile, compile_pipeline
from earthenware.doctor._finding import Check, Verdict, failed, ok, skipped, warning
from earthenware.errors import EarthenwareError
from earthenware.kubeflow import Connection, ask
from earthenware.network import is_hidden

LEAST: Final = (2, 17)
"""Release of Kubeflow Pipelines that the compiled pipelines need."""
_ROOT: Final = "Give the root of Kubeflow Pipelines, such as https://HOST/pipeline, by --host or KFP_HOST."


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
    wait = seconds * 0.6
    return [
        Check("kubeflow pipelines", lambda: _check_health(connection, wait), "", seconds),
        Check("kubeflow pipelines: login", lambda: _check_login(connection, wait), "kubeflow pipelines", seconds),
    ]


def _check_health(connection: Connection, wait: float) -> Verdict:
    health = ask(connection, "healthz", "say that it is healthy", wait)
    if health.get("apiServerReady") is False:  # the user interface answers in the place of the API
        sentence = f"'{connection.host}' answers, but its API server does not."
        return failed(sentence, "Look at the pod ml-pipeline in Kubeflow's namespace.")
    if "multi_user" not in health:
        return failed(f"'{connection.host}' does not answer as Kubeflow Pipelines does.", _ROOT)
    tag = str(health.get("tag_name") or health.get("apiServerTagName") or "unknown")
    numbers = tag.removeprefix("v").split(".")
    users = "several users" if health["multi_user"] else "one user"
    if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
        sentence = f"'{connection.host}' answers ({users}), but does not tell its version ({tag})."
        return warning(sentence, f"See to it that it is {LEAST[0]}.{LEAST[1]} or later.")
    if (int(numbers[0]), int(numbers[1])) < LEAST:
        sentence = f"'{connection.host}' runs Kubeflow Pipelines {tag}."
        return failed(sentence, f"Upgrade it to {LEAST[0]}.{LEAST[1]} or later, which the pipelines are compiled for.")
    return ok(f"'{connection.host}' runs Kubeflow Pipelines {tag} for {users}.")


def _check_login(connection: Connection, wait: float) -> Verdict:
    namespace = {"namespace": connection.namespace} if connection.namespace else {}
    ask(connection, "experiments", "list experiments", wait, page_size=1, **namespace)
    place = f" in the namespace '{connection.namespace}'" if namespace else ""
    return ok(f"Experiments can be listed{place}.")


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
