"""MLflow: its server's version, who it lets in, its model registry and its artifact proxy."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import secrets
import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from earthenware.doctor._examine import Check, Verdict, failed, ok, skipped, warning
from earthenware.errors import EarthenwareError, reason, redact
from earthenware.tracking import OFF, shown

_SQLITE: Final = "sqlite:///"
_REACH: Final = "Start the server, or correct MLFLOW_TRACKING_URI; train.tracking_uri = off goes without."
_LOGIN: Final = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) to valid ones."


def mlflow_checks(uri: str, seconds: float) -> list[Check]:
    """Return the checks of a tracking store by its URI, each for so many seconds at most."""
    if uri == OFF:
        return [Check("mlflow", lambda: skipped("Tracking is off."))]
    if uri.startswith(_SQLITE):
        return [Check("mlflow", lambda: _check_database(Path(uri.removeprefix(_SQLITE))), seconds=seconds)]
    if not uri.startswith(("http://", "https://")):
        return [Check("mlflow", lambda: skipped(f"'{shown(uri)}' is not a server, nor a SQLite file: not looked at."))]
    server = _Server(uri, seconds * 0.6)
    login = f"Experiments can be searched, {'with' if server.credentials else 'without'} a login."
    registry = "The model registry answers."
    return [
        Check("mlflow", lambda: _check_server(server), seconds=seconds),
        Check("mlflow: login", partial(_searched, server, "experiments", login), "mlflow", seconds),
        Check("mlflow: registry", partial(_searched, server, "registered-models", registry), "mlflow: login", seconds),
        Check("mlflow: artifacts", lambda: _check_artifacts(server), "mlflow: login", 2 * seconds, writes=True),
    ]


@dataclass(frozen=True)
class _Server:
    """An MLflow server's REST API, asked with the credentials that MLflow's own client would use."""

    uri: str
    seconds: float

    @property
    def credentials(self) -> dict[str, Any]:
        """Options of a request with the credentials that are set; empty where none are."""
        user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        parts = urlsplit(self.uri)
        if user and password:
            return {"auth": (user, password)}
        if token:
            return {"headers": {"Authorization": f"Bearer {token}"}}
        return {"auth": (parts.username, parts.password)} if parts.username and parts.password else {}

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return the response, whatever its status; redirects are not followed, as they lead to login pages."""
        import requests  # type: ignore[import-untyped]  # its stubs are a package of their own

        parts = urlsplit(self.uri)
        base = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
        insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
        # An auth of its own keeps requests from taking another one out of ~/.netrc.
        options |= {"allow_redirects": False, "auth": lambda request: request, **self.credentials}
        options["verify"] = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or not insecure
        try:
            return requests.request(method, f"{base}{path}", timeout=(self.seconds / 2, self.seconds), **options)
        except (requests.RequestException, ValueError, OSError) as error:  # the latter two: a bad address, no CA file
            parts = urlsplit(redact(base))
            message = f"'{parts.scheme}://{parts.netloc}' cannot be reached: {reason(error)}."
            raise EarthenwareError("UNREACHABLE", message, _REACH) from None

    def refusal(self, answer: Any, doing: str) -> Verdict | None:
        """Return what a status other than 200 means, or a page for people; None where the request was answered."""
        where, status = shown(self.uri), answer.status_code
        # Both are looked at, as MLflow tells its version as text/html.
        html = "text/html" in answer.headers.get("Content-Type", "") and answer.content.lstrip().startswith(b"<")
        if status == 200 and not html:
            return None
        if status == 401 or 300 <= status < 400:
            which = "the user or the token that is set is not accepted" if self.credentials else "no user is set"
            return failed(f"'{where}' wants a login to {doing}: {which}.", _LOGIN)
        if status == 403 and "host header" in answer.text.lower():
            host = urlsplit(self.uri).netloc.rpartition("@")[2]
            sentence = f"'{where}' refuses requests that name it '{host}' (Invalid Host header)."
            remedy = f"Start it with --allowed-hosts '{host}' (MLFLOW_SERVER_ALLOWED_HOSTS) among others."
            return failed(sentence, remedy)
        if status == 403:
            return failed(f"'{where}' does not permit this user to {doing}.", "Ask its administrator for permission.")
        if status == 404 or html:
            return failed(f"'{where}' does not answer as an MLflow server does.", "Give the server's root URL.")
        sentence = f"'{where}' answered HTTP {status} when asked to {doing}."
        return failed(sentence, "Look into the server's log: its database or its store may be out of reach.")


def _check_database(path: Path) -> Verdict:
    if not path.exists():
        return ok(f"MLflow's database '{path}' will be made by the first run.")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0] if "runs" in tables else None
        finally:
            connection.close()
    except sqlite3.Error as error:
        return failed(f"'{path}' cannot be read as a database: {error}.", "Restore it, or move it away to start anew.")
    if runs is None:
        return failed(f"'{path}' is a database, but not one of MLflow's.", "Move it away, or name another one.")
    return ok(f"MLflow's database '{path}' holds {runs:,} runs.")


def _check_server(server: _Server) -> Verdict:
    answer = server.ask("GET", "/version")
    refusal = server.refusal(answer, "tell its version")
    if refusal is not None:
        return refusal
    found, ours = answer.text.strip()[:40], importlib.metadata.version("mlflow")
    theirs = _numbers(found)
    sentence = f"'{shown(server.uri)}' runs MLflow {found}; the client here is {ours}."
    if not theirs:
        return failed(f"'{shown(server.uri)}' does not answer as an MLflow server does.", "Give the server's root URL.")
    if theirs[0] < _numbers(ours)[0]:
        return failed(sentence, f"Upgrade the server to {ours}: one of version {theirs[0]} lacks logged models.")
    if theirs[:2] != _numbers(ours)[:2]:
        return warning(sentence, f"Both work best in one version: the chart of this release runs {ours}.")
    return ok(sentence)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts[:2]) if len(parts) >= 2 and all(p.isdigit() for p in parts[:2]) else ()


def _search(server: _Server, what: str) -> Any:
    return server.ask("GET", f"/api/2.0/mlflow/{what}/search", params={"max_results": 1})


def _searched(server: _Server, what: str, success: str) -> Verdict:
    return server.refusal(_search(server, what), f"search {what.replace('-', ' ')}") or ok(success)


def _check_artifacts(server: _Server) -> Verdict:
    """Store, read and remove an artifact through the server, where it is the server that holds them."""
    answer = _search(server, "experiments")
    refusal = server.refusal(answer, "search experiments")
    if refusal is not None:
        return refusal
    experiments = []
    with contextlib.suppress(ValueError, AttributeError):  # not JSON, or no object
        experiments = answer.json().get("experiments")
    if not experiments:
        return skipped("There is no experiment yet that would tell where artifacts go.")
    location = str(experiments[0].get("artifact_location"))
    if not location.startswith("mlflow-artifacts:"):
        sentence = f"Artifacts do not pass through the server, but go to '{shown(location)}'."
        return warning(sentence, "Each step then needs that store's credentials; --serve-artifacts spares them that.")
    # Below an experiment, as who may write there is decided by experiment.
    folder = f"{experiments[0]['experiment_id']}/earthenware-doctor-{secrets.token_hex(8)}"
    path, data = f"/api/2.0/mlflow-artifacts/artifacts/{folder}", secrets.token_bytes(64)
    try:
        put = server.ask("PUT", f"{path}/artifact", data=data)
        if put.status_code == 403:
            sentence = f"This user may not write to experiment {experiments[0]['experiment_id']}, so it was not tried."
            return skipped(sentence, "Ask its administrator whether that is meant so.")
        refusal = server.refusal(put, "store an artifact")
        if refusal is not None:
            return refusal
        got = server.ask("GET", f"{path}/artifact")
        if got.status_code != 200 or got.content != data:
            return failed("An artifact does not come back as it was stored.", "Check the store behind the server.")
    finally:
        removed = server.ask("DELETE", path)
    if removed.status_code != 200:
        sentence = f"The artifact '{folder}' of this check could not be removed (HTTP {removed.status_code})."
        return warning(sentence, "Remove it by hand; give the user the right to manage the experiment.")
    return ok("An artifact was stored, read and removed through the server.")
