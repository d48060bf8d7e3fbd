"""MLflow: one run per pretraining, and versions of the model it made.

A run holds the parameters, counts and metrics of every step that led to the model, the history of the loss, pictures,
and the digests of the data. MLflow is imported when a run is opened, with its telemetry off.
"""

from earthenware.tracking._client import (
    CANDIDATE,
    OFF,
    check_experiment,
    check_model_name,
    check_uri,
    resolve_uri,
    shown,
)
from earthenware.tracking._models import register_candidate
from earthenware.tracking._run import Run, open_run, resume_run

__all__ = [
    "CANDIDATE",
    "OFF",
    "Run",
    "check_experiment",
    "check_model_name",
    "check_uri",
    "open_run",
    "register_candidate",
    "resolve_uri",
    "resume_run",
    "shown",
]
