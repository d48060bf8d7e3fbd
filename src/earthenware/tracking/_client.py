"""Reaching an MLflow store: where it is, whether it answers, and patience with a database that is busy."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import random
import re
import shutil
import sqlite3
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Container, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from earthenware import storage
from earthenware.errors import EarthenwareError, again, first_line, reason, redact

CANDIDATE: Final = "candidate"
"""Alias of the version that was trained last."""
OFF: Final = "off"
"""The tracking URI that means: do not track."""

_SQLITE: Final = "sqlite:///"
_HOST: Final = re.compile(r"([^/@\s]*@)?[^/:@\s]+|[^/\s]*@?\[[0-9A-Fa-f:.]+\]")
_LONGEST_NAME: Final = 250
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BAD: Final = "/:'"
"""What MLflow takes in no name of a model, nor in the quotation marks of a search for it."""
_DRAFT: Final = ".mlflow-database-"
_PROBE_SECONDS: Final = 10
_LOCKED_SECONDS: Final = 15.0
"""How long another writer of a SQLite database is waited for."""
_REFUSED: Final = re.compile(r"error code 40[13]\b|UNAUTHENTICATED|PERMISSION_DENIED")
_ANSWERS: Final = ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE", "INVALID_STATE")
"""MLflow's codes for answers about what was asked, from a store that works."""


def resolve_uri(given: str, root: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the tracking URI to use.

    Args:
        given: What the user asked for; empty for the default, ``off`` for none.
        root: The prefix below which a run's steps lie. The default is a SQLite database in it, unless
            ``MLFLOW_TRACKING_URI`` says otherwise.
        environment: The variables that hold where it is used.

    Raises:
        EarthenwareError: ``NO_TRACKING_URI`` when there is no default, as the root is not on this machine; ``BAD_URI``
            when it is one that MLflow cannot be given.
    """
    if given == OFF:
        return OFF
    if uri := given or environment.get("MLFLOW_TRACKING_URI", ""):
        try:
            check_uri(uri)
        except ValueError as error:
            whose = "tracking_uri" if given else "MLFLOW_TRACKING_URI"
            raise EarthenwareError("BAD_URI", f"{whose} = {redact(uri)}: {error}.") from None
        return uri
    if storage.is_local(root):
        return f"{_SQLITE}{storage.local_path(root) / 'mlflow.db'}"
    raise EarthenwareError(
        "NO_TRACKING_URI",
        f"'{redact(root)}' cannot hold a tracking database, as it is not on this machine's file system.",
        "Set tracking_uri or MLFLOW_TRACKING_URI to an MLflow server, or tracking_uri to 'off'.",
    )


def check_uri(uri: str) -> None:
    """Look whether a tracking URI is one that MLflow can be given.

    Raises:
        ValueError: It is not.
    """
    scheme, separator, rest = uri.partition("://")
    kind = scheme.partition("+")[0]  # a database's may name its driver
    plugins = {point.name for point in entry_points(group="mlflow.tracking_store")}
    good = {
        "sqlite": rest.startswith("/") and len(rest) > 1,
        "file": rest.startswith("/"),
        **dict.fromkeys(("http", "https", "postgresql", "mysql", "mssql"), bool(_HOST.match(rest))),
        **dict.fromkeys(("databricks", *plugins), True),
    }
    if uri not in (OFF, "databricks") and not (separator and good.get(kind, False) and uri.isprintable()):
        raise ValueError("give the http:// address of an MLflow server, sqlite:///FILE, another database, or 'off'")


def check_experiment(name: str) -> None:
    """Look whether MLflow takes a name for an experiment.

    Raises:
        ValueError: It does not.
    """
    if not 1 <= len(name) <= _LONGEST_NAME or _CONTROL.search(name):
        raise ValueError(f"give a name of 1 to {_LONGEST_NAME} characters, none of them a control character")


def check_model_name(name: str) -> None:
    """Look whether MLflow takes a name for a model.

    Raises:
        ValueError: It does not.
    """
    check_experiment(name)
    if not name.strip() or any(character in name for character in _BAD) or name == "." or name.startswith(".."):
        raise ValueError(f"MLflow takes no such name for a model: give letters and digits, and none of {_BAD}")


def shown(uri: str) -> str:
    """Return a tracking URI without user information, for messages and manifests."""
    return uri if uri.startswith(_SQLITE) else redact(uri)


def prepare_environment() -> None:
    """Set MLflow's own switches, unless the user has set them: no telemetry, and failures within a minute."""
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "60"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
    # Making a database's tables is told in dozens of lines.
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.ERROR)


def database(uri: str) -> Path | None:
    """Return the file of a SQLite store, whose artifacts go beside it; None for a server, which decides for itself."""
    return Path(uri.removeprefix(_SQLITE)).absolute() if uri.startswith(_SQLITE) else None


def connect(uri: str) -> Any:
    """Return an ``MlflowClient`` for a store that answers.

    Raises:
        EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``; ``TRACKING_BROKEN`` for a database that a
            killed process left half made, which is set aside.
    """
    prepare_environment()
    _probe(uri)
    from mlflow import MlflowClient

    prepare_environment()  # again, as MLflow sets its loggers up when it is imported
    with _alone(uri) as file:
        if file is not None and not file.exists():
            _make_database(file)
        registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
        try:
            client = patiently(uri, MlflowClient, tracking_uri=uri, registry_uri=registry)
            # The first call finds that the server wants a password.
            patiently(uri, client.search_experiments, max_results=1)
        except EarthenwareError as error:
            if file is None or not _holds_nothing(file):
                raise
            aside = file.with_name(f"{file.name}.broken-{time.strftime('%Y%m%dT%H%M%S')}")
            file.rename(aside)
            message = f"MLflow's database '{file}' is half made and holds no run; it was set aside as '{aside.name}'."
            raise EarthenwareError("TRACKING_BROKEN", message, "Run the step again: it makes a new one.") from error
    return client


def _make_database(file: Path) -> None:
    """Have a database with MLflow's tables appear whole: MLflow makes them one by one, for seconds."""
    from mlflow import MlflowClient

    for left in file.parent.glob(f"{_DRAFT}*"):  # by a process that was killed, as one makes it at a time
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own each time: MLflow keeps a connection for each that it has seen.
    with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=file.parent) as folder:
        draft = Path(folder) / file.name
        uri = f"{_SQLITE}{draft}"
        patiently(uri, MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments, max_results=1)
        draft.rename(file)


def _holds_nothing(file: Path) -> bool:
    """Return whether a database that MLflow cannot use has no run in it, so that nobody misses it."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_PROBE_SECONDS)
        ) as opened:
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return "runs" not in tables or opened.execute("SELECT 1 FROM runs").fetchone() is None
    except sqlite3.Error:
        return False  # what cannot be read may hold anything


def _probe(uri: str) -> None:
    """Fail at once when no server listens; MLflow's own retries take minutes."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        request = urllib.request.Request(f"{redact(uri).rstrip('/')}/health")
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return  # something answers; whether it is MLflow shows in the first call
    except OSError as error:
        raise _unreachable(uri, error) from error


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[Path | None]:
    """Let one process at a time make a SQLite database: two that migrate it at once break it; yield its file."""
    file = database(uri)
    if file is None:
        yield None
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file.parent, os.O_RDONLY)
    except OSError as error:
        raise _unreachable(uri, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(descriptor)


def patiently(uri: str, call: Callable[..., Any], *values: Any, absent: Container[str] = (), **named: Any) -> Any:
    """Return what a call of a store's client gives, made again while another writer locks the database.

    None is the answer for which MLflow raises an error of one of the codes ``absent``, as ``RESOURCE_DOES_NOT_EXIST``.

    Raises:
        EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``, ``TRACKING_REFUSED``.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    try:
        return again(
            lambda: call(*values, **named),
            lambda error: _LOCKED_SECONDS if "database is locked" in str(error) else 0.0,
            first=0.1,
            longest=5.0,
            pause=lambda seconds: time.sleep(seconds * random.uniform(0.5, 1.5)),  # else two keep in step
        )
    except (MlflowException, OperationalError) as error:
        code = error.error_code if isinstance(error, MlflowException) else ""
        if code in absent:
            return None
        if code in _ANSWERS:
            message = f"The MLflow store '{shown(uri)}' refuses: {first_line(error)}."
            raise EarthenwareError("TRACKING_REFUSED", message) from error
        if _REFUSED.search(str(error)):
            remedy = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
            message = f"The MLflow store '{shown(uri)}' refuses access."
            raise EarthenwareError("TRACKING_DENIED", message, remedy) from error
        raise _unreachable(uri, error) from error


def _unreachable(uri: str, error: BaseException) -> EarthenwareError:
    """Return the error for a store that does not answer as it should."""
    return EarthenwareError(
        "TRACKING_UNREACHABLE",
        f"The MLflow store '{shown(uri)}' cannot be used: {reason(error)}.",
        "Start it or correct tracking_uri (MLFLOW_TRACKING_URI); 'off' goes without. A step run again resumes here.",
    )
