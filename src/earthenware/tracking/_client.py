"""Reaching an MLflow store: where it is, whether it answers, and patience with a database that is busy."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from earthenware import storage
from earthenware.errors import EarthenwareError, first_line

CANDIDATE: Final = "candidate"
"""Alias of the version that was trained last."""
CHAMPION: Final = "champion"
"""Alias of the version that won its evaluation."""
OFF: Final = "off"
"""The tracking URI that means: do not track."""

_SQLITE = "sqlite:///"
_ATTEMPTS = 8
_PROBE_SECONDS = 10

T = TypeVar("T")


def resolve_uri(given: str, root: str) -> str:
    """Return the tracking URI to use.

    Args:
        given: What the user asked for; empty for the default, ``off`` for none.
        root: The prefix below which a run's steps lie. The default is a SQLite database in it, unless
            ``MLFLOW_TRACKING_URI`` says otherwise.

    Raises:
        EarthenwareError: ``NO_TRACKING_URI`` when there is no default, as the root is not on this machine.
    """
    if given == OFF:
        return OFF
    uri = given or os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri:
        return uri
    if storage.is_local(root):
        return f"{_SQLITE}{storage.local_path(root) / 'mlflow.db'}"
    raise EarthenwareError(
        "NO_TRACKING_URI",
        f"'{storage.redact(root)}' cannot hold a tracking database, as it is not on this machine's file system.",
        "Set tracking_uri or MLFLOW_TRACKING_URI to an MLflow server, or tracking_uri to 'off'.",
    )


def shown(uri: str) -> str:
    """Return a tracking URI without user information, for messages and manifests."""
    return uri if uri.startswith(_SQLITE) else storage.redact(uri)


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


def artifact_root(uri: str) -> str | None:
    """Return where artifacts of a SQLite store go: beside its file. A server decides for itself."""
    database = _database(uri)
    return None if database is None else (database.parent / "mlflow-artifacts").as_uri()


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)).absolute() if uri.startswith(_SQLITE) else None


def connect(uri: str) -> Any:
    """Return an ``MlflowClient`` for a store that answers.

    Raises:
        EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``.
    """
    prepare_environment()
    _probe(uri)
    from mlflow import MlflowClient

    prepare_environment()  # again, as MLflow sets its loggers up when it is imported
    with _alone(_database(uri)):
        client = MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or uri)
        # The first call makes a new database's tables, or finds that the server wants a password.
        patiently(uri, lambda: client.search_experiments(max_results=1))
    return client


def _probe(uri: str) -> None:
    """Fail at once when no server listens; MLflow's own retries take minutes."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        request = urllib.request.Request(f"{storage.redact(uri).rstrip('/')}/health")
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return  # something answers; whether it is MLflow shows in the first call
    except OSError as error:
        raise unreachable(uri, error) from error


def unreachable(uri: str, error: BaseException) -> EarthenwareError:
    """Return the error for a store that does not answer as it should."""
    return EarthenwareError(
        "TRACKING_UNREACHABLE",
        f"The MLflow store '{shown(uri)}' cannot be used: {first_line(error)}.",
        "Start it or correct tracking_uri (MLFLOW_TRACKING_URI); 'off' goes without. A step run again resumes here.",
    )


@contextlib.contextmanager
def _alone(database: Path | None) -> Iterator[None]:
    """Let one process at a time make a SQLite database: two that migrate it at once break it."""
    if database is None:
        yield
        return
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(database.parent, os.O_RDONLY)
    except OSError as error:
        raise unreachable(f"{_SQLITE}{database}", error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def patiently(uri: str, call: Callable[[], T], *, expected: tuple[str, ...] = ()) -> T:
    """Return ``call()``, tried again while the database is locked by another writer.

    Args:
        uri: The store that is asked.
        call: What to do.
        expected: Codes of MLflow's errors that the caller deals with, such as ``RESOURCE_DOES_NOT_EXIST``.

    Raises:
        MlflowException: With an expected code.
        EarthenwareError: ``TRACKING_UNREACHABLE``, ``TRACKING_DENIED``, ``TRACKING_REFUSED``.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    for attempt in range(_ATTEMPTS):
        try:
            return call()
        except (MlflowException, OperationalError) as error:
            text = str(error)
            if "database is locked" in text and attempt + 1 < _ATTEMPTS:
                time.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.5))
                continue
            code = error.error_code if isinstance(error, MlflowException) else ""
            if code in expected:
                raise
            if code in _ANSWERS:
                message = f"The MLflow store '{shown(uri)}' refuses: {first_line(error)}."
                raise EarthenwareError("TRACKING_REFUSED", message) from error
            if _REFUSED.search(text):
                remedy = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
                message = f"The MLflow store '{shown(uri)}' refuses access."
                raise EarthenwareError("TRACKING_DENIED", message, remedy) from error
            raise unreachable(uri, error) from error
    raise AssertionError("unreachable")


_REFUSED = re.compile(r"error code 40[13]\b|UNAUTHENTICATED|PERMISSION_DENIED")
# Answers about what was asked, from a store that works.
_ANSWERS = ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE", "INVALID_STATE")
