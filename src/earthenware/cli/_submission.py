"""What ``earthenware submit`` is told, checked before anything is sent: where to, what with, when."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from earthenware import storage
from earthenware.compiling import Profile
from earthenware.errors import EarthenwareError
from earthenware.graph import PipelineSpec, find_pipeline, load_spec, meaning, require, with_values
from earthenware.kubeflow import Connection, Schedule, mounted_token, parse_cron, parse_interval
from earthenware.steps import Meaning


def connection(options: dict[str, Any]) -> Connection:
    """Return where to connect; a file wins over the environment, which wins over a token mounted into this pod."""
    token = "" if options["token_file"] else os.environ.get("KFP_TOKEN", "")
    cookie = os.environ.get("KFP_COOKIE", "")
    if options["cookie_file"]:
        try:
            cookie = options["cookie_file"].read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            message = f"The cookie file {options['cookie_file']} cannot be read."
            raise EarthenwareError("BAD_OPTION", message, "Give a text file that holds NAME=VALUE.") from None
    token_file = options["token_file"] or (None if token or cookie else mounted_token())
    return Connection(options["host"], options["namespace"], token, token_file, cookie, ca_cert=options["ca_cert"])


_OUT_OF_REACH: Final[dict[Meaning, tuple[Callable[[str], bool], str, str]]] = {
    "root": (
        lambda uri: not uri.startswith("s3://"),
        "is not in an object store: the pods of a cluster share no folder",
        "Give a prefix that they can write: --set root=s3://BUCKET/PREFIX.",
    ),
    "catalog": (
        storage.is_local,
        "is a file of this machine: the pods of a cluster cannot read it",
        "Copy it to the store, or name a STAC API by its https:// URL.",
    ),
    "tracking": (
        lambda uri: uri not in ("", "off") and not uri.startswith(("http://", "https://", "postgresql")),
        "is on this machine: the pods of a cluster lack it",
        "Give an MLflow server's http:// URL, or leave it to the profile.",
    ),
}
"""Which addresses a pod could not reach, why, and what to give in their place."""


def cluster_spec(pipeline: str, spec_uri: str | None, assignments: tuple[str, ...], profile: Profile) -> PipelineSpec:
    """Return the spec of a run on a cluster, having refused what a pod could not reach or would lack."""
    if not spec_uri:
        remedy = "Give one with --spec; 'earthenware init' writes one."
        raise EarthenwareError("BAD_OPTION", "No spec is given.", remedy)
    spec = load_spec(pipeline, spec_uri, assignments)
    for means, (is_out, problem, remedy) in _OUT_OF_REACH.items():
        for field in meaning(find_pipeline(pipeline), means):
            uri = str(field.of(spec))
            if is_out(uri):
                raise EarthenwareError("BAD_SPEC", f"{field.path} = {storage.redact(uri)} {problem}.", remedy)
    pods = {step.name: profile.step(step.name) for step in find_pipeline(pipeline).steps}
    # What a Secret holds is not known here: such a variable counts as one that nothing is wrong with.
    told = {name: dict.fromkeys((one.variable for one in pod.secrets), "off") for name, pod in pods.items()}
    require(find_pipeline(pipeline), spec, {name: {**told[name], **pods[name].environment} for name in pods})
    return with_values(spec, {"root": storage.normalise(spec.root)})


def checked_root(uri: str) -> str:
    """Return --pipeline-root, having refused what is in no object store."""
    if uri and not uri.startswith(("s3://", "gs://", "minio://")):
        message = f"--pipeline-root {storage.redact(uri)} is not in an object store."
        raise EarthenwareError("BAD_OPTION", message, "Give s3://BUCKET/PREFIX, in a bucket that Kubeflow can write.")
    return uri


def when(options: dict[str, Any]) -> Schedule | None:
    """Return when a recurring run starts; None for a run at once."""
    if options["cron"] and options["interval"]:
        raise EarthenwareError("BAD_OPTION", "Both --cron and --interval are given.", "Give one of them.")
    if not options["cron"] and not options["interval"]:
        return None
    if options["follow"]:
        message = "--watch follows one run, and a recurring run has many."
        raise EarthenwareError("BAD_OPTION", message, "Follow one of them with --attach RUN_ID.")
    if options["cron"]:
        return Schedule(cron=parse_cron(options["cron"]))
    return Schedule(interval=parse_interval(options["interval"]))


def refuse_with_attach(options: dict[str, Any]) -> None:
    """Refuse the options of a new run beside --attach."""
    new = {"spec_uri": "--spec", "assignments": "--set", "cron": "--cron", "interval": "--interval", "dry": "--dry-run"}
    for key, name in new.items():
        if options[key]:
            message = f"--attach follows a run that exists, and {name} belongs to a new one."
            raise EarthenwareError("BAD_OPTION", message, "Give one or the other.")
